// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A registry cannot be asked to write a tag only if nobody else has written it:
// of two writers the last one wins, and the first never learns of it. But it can
// list tags. So whoever wants a number first writes a tag of its own, its claim,
// and then looks who else has one:
//
//	claim-NUMBER-OWNER        OWNER wants NUMBER
//	claim-NUMBER-OWNER-left   OWNER will never take NUMBER
//
// A number is taken by who finds no other claim to it after having written its
// own. Of two, the one that wrote second looks after both were written and sees
// the first: so never do two take one number. Who sees others goes on to another
// number, except for the first of them by name, which waits for the others to
// leave so that no number is left out. Tags are only added, so registries that
// refuse deletion do as well; where deletion works, claims go when they are done.
type claim struct {
	number int
	owner  string
	left   bool
}

const (
	claimArtifact = "application/vnd.kubectl-aml.claim.v1"
	emptyConfig   = "application/vnd.oci.empty.v1+json"
	// deletedOwner claims the number of a deleted model, so that it is not given
	// to another one.
	deletedOwner = "deleted"

	claimRounds = 100
	claimLooks  = 8
	claimPause  = 20 * time.Millisecond
)

var (
	claimTag   = regexp.MustCompile(`^claim-([1-9][0-9]{0,8})-([a-z0-9]+)(-left)?$`)
	versionTag = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

func (c claim) tag() string {
	tag := "claim-" + strconv.Itoa(c.number) + "-" + c.owner
	if c.left {
		tag += "-left"
	}
	return tag
}

// numbers are a model's versions, and the claims to others, as the tags tell.
type numbers struct {
	versions []int
	claims   []claim
}

func readNumbers(tags []string) numbers {
	var n numbers
	for _, tag := range tags {
		if versionTag.MatchString(tag) {
			number, _ := strconv.Atoi(tag) // the pattern takes digits that fit
			n.versions = append(n.versions, number)
		} else if m := claimTag.FindStringSubmatch(tag); m != nil {
			number, _ := strconv.Atoi(m[1])
			n.claims = append(n.claims, claim{number: number, owner: m[2], left: m[3] != ""})
		}
	}
	slices.Sort(n.versions)
	return n
}

// next is the first number that is above all others.
func (n numbers) next() int {
	highest := 0
	for _, v := range n.versions {
		highest = max(highest, v)
	}
	for _, c := range n.claims {
		highest = max(highest, c.number)
	}
	return highest + 1
}

// contenders are the owners of claims to a number that have not left it, sorted.
func (n numbers) contenders(number int) []string {
	var owners []string
	for _, c := range n.claims {
		left := claim{c.number, c.owner, true}
		if c.number == number && !c.left && !slices.Contains(n.claims, left) {
			owners = append(owners, c.owner)
		}
	}
	slices.Sort(owners)
	return owners
}

// after is the nth number above number that nobody but owner wants or has.
func (n numbers) after(number, nth int, owner string) int {
	for ; nth > 0; nth-- {
		for number++; slices.Contains(n.versions, number) || n.wanted(number, owner); number++ {
			continue
		}
	}
	return number
}

func (n numbers) wanted(number int, owner string) bool {
	return slices.ContainsFunc(n.contenders(number), func(o string) bool { return o != owner })
}

// claimNumber takes a number that nobody else has or will get. release takes the
// claims away as far as the registry allows it, and is to be called when the
// number's tag is written, or will not be.
func (s shelf) claimNumber(ctx context.Context) (number int, release func(context.Context), err error) {
	secret := make([]byte, 8)
	_, _ = rand.Read(secret) // never fails
	owner := hex.EncodeToString(secret)
	var made []claim
	release = func(ctx context.Context) { s.release(ctx, made) }
	seen, err := s.look(ctx)
	if err != nil {
		return 0, nil, err
	}
	number = seen.next()
	for range claimRounds {
		mine := claim{number: number, owner: owner}
		made = append(made, mine)
		if err := s.write(ctx, mine); err != nil {
			release(context.WithoutCancel(ctx))
			return 0, nil, err
		}
		next, err := s.settle(ctx, mine)
		if err != nil {
			release(context.WithoutCancel(ctx))
			return 0, nil, err
		}
		if next == number {
			return number, release, nil
		}
		mine.left = true
		if err := s.write(ctx, mine); err != nil {
			release(context.WithoutCancel(ctx))
			return 0, nil, err
		}
		number = next
	}
	release(context.WithoutCancel(ctx))
	return 0, nil, fmt.Errorf("too many register a version of %s at once: try again", s.model)
}

// settle returns the claim's own number when it is taken, else another to try. A
// registry that lists the claim late is waited for; one that never does is refused.
func (s shelf) settle(ctx context.Context, mine claim) (int, error) {
	var seen numbers
	rank := 1
	for look := range claimLooks {
		var err error
		if seen, err = s.look(ctx); err != nil {
			return 0, err
		}
		owners := seen.contenders(mine.number)
		rank = slices.Index(owners, mine.owner)
		if len(owners) == 1 && rank == 0 {
			// Who had the number may have taken its claim away while the list was
			// made; then the tag is there by now.
			free, err := s.free(ctx, mine.number)
			if err != nil {
				return 0, err
			}
			if free {
				return mine.number, nil
			}
			break
		}
		// What is not in the list yet may come: claims of others, too.
		if rank > 0 || rank == 0 && slices.Contains(seen.versions, mine.number) {
			break
		}
		if err := s.pause(ctx, time.Duration(look+1)*claimPause); err != nil {
			return 0, err
		}
	}
	if rank < 0 {
		return 0, fmt.Errorf("cannot register %s: %s does not list a tag that it has taken: "+
			"try again later; if it stays, look at the registry's logs", s.model, s.repo.Name())
	}
	return seen.after(mine.number, max(rank, 1), mine.owner), nil
}

func (s shelf) pause(ctx context.Context, d time.Duration) error {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("cannot register %s: %w", s.model, ctx.Err())
	case <-timer.C():
		return nil
	}
}

// write adds a claim's tag.
func (s shelf) write(ctx context.Context, c claim) error {
	a, err := c.artifact()
	if err != nil {
		return err
	}
	_, err = s.put(ctx, c.tag(), a)
	return err
}

// artifact is a manifest of nothing. It is the same for a claim and its end.
func (c claim) artifact() (artifact, error) {
	return newArtifact(claimArtifact, []byte("{}"), emptyConfig, []v1.Descriptor{},
		map[string]string{"kubectl-aml/claim": claim{number: c.number, owner: c.owner}.tag()})
}

// release deletes claims. One that cannot be deleted does no harm: its owner
// will never register anything again.
func (s shelf) release(ctx context.Context, claims []claim) {
	for _, c := range claims {
		a, err := c.artifact()
		if err != nil {
			continue
		}
		digest, err := a.digest()
		if err != nil {
			continue
		}
		left := claim{c.number, c.owner, true}
		if err := s.remove(ctx, digest, left.tag(), c.tag()); err != nil {
			s.o.log("the tag " + c.tag() + " stays in " + s.repo.Name() + " and does no harm")
			return
		}
	}
}

// look lists the numbers. A repository that is not there has none.
func (s shelf) look(ctx context.Context) (numbers, error) {
	tags, err := remote.List(s.repo, s.options(ctx)...)
	if statusOf(err) == http.StatusNotFound {
		return numbers{}, nil
	}
	if err != nil {
		return numbers{}, explain(err, "list the versions in", s.repo.Name())
	}
	return readNumbers(tags), nil
}

// free tells whether no model has the number.
func (s shelf) free(ctx context.Context, number int) (bool, error) {
	_, err := s.digestOf(ctx, strconv.Itoa(number))
	if statusOf(err) == http.StatusNotFound {
		return true, nil
	}
	return false, err
}

// statusOf is what the registry answered; 0 when err is not such an answer.
func statusOf(err error) int {
	var told *RegistryError
	var answer *transport.Error
	switch {
	case errors.As(err, &told):
		return told.Status
	case errors.As(err, &answer):
		return answer.StatusCode
	default:
		return 0
	}
}

// listed writes the last few of some numbers.
func listed(versions []int) string {
	const most = 10
	var text []string
	if len(versions) > most {
		text, versions = []string{"…"}, versions[len(versions)-most:]
	}
	for _, v := range versions {
		text = append(text, strconv.Itoa(v))
	}
	return strings.Join(text, ", ")
}
