// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
)

// A registry cannot be asked to write a tag only if nobody else has written it:
// of two writers the last one wins, and the first never learns of it. But it can
// list tags. So whoever wants to be the one to write a tag first writes a tag of
// its own, its claim, and then looks who else has one:
//
//	claim-TAG-OWNER        OWNER wants to write TAG
//	claim-TAG-OWNER-left   OWNER will never write TAG
//
// The tag is for whoever finds no other claim to it after having written its own.
// Of two, the one that wrote second looks after both were written and sees the
// first: so never do two have one tag. Who sees others leaves, except for the first
// of them by name, which waits for the others to leave so that one of them gets it.
// Tags are only added, so registries that refuse deletion do as well; where deletion
// works, claims go when they are done.
//
// Versions of models are claimed so, and environments while they are built.
type claim struct {
	// of is the tag that is claimed.
	of    string
	owner string
	left  bool
	// by is who claims, for others to read, and beat changes while the claim is
	// held. Both are in the manifest, not in the tag.
	by   string
	beat int
}

const (
	claimArtifact = "application/vnd.kubectl-aml.claim.v1"
	emptyContent  = "{}"
	emptyConfig   = "application/vnd.oci.empty.v1+json"
	claimKey      = "kubectl-aml/claim"
	claimedBy     = "kubectl-aml/claimed-by"
	claimBeat     = "kubectl-aml/claim-beat"

	claimLooks = 8
	claimPause = 20 * time.Millisecond
)

var claimTag = regexp.MustCompile(`^claim-([1-9][0-9]{0,8}|[0-9a-f]{64})-([a-z0-9]+)(-left)?$`)

func (c claim) tag() string {
	tag := "claim-" + c.of + "-" + c.owner
	if c.left {
		tag += "-left"
	}
	return tag
}

// leaving is the end of c.
func (c claim) leaving() claim {
	c.left = true
	return c
}

// newOwner is a name that nobody else has.
func newOwner() string {
	secret := make([]byte, 8)
	_, _ = rand.Read(secret) // never fails
	return hex.EncodeToString(secret)
}

type claims []claim

func readClaims(tags []string) claims {
	var all claims
	for _, tag := range tags {
		if m := claimTag.FindStringSubmatch(tag); m != nil {
			all = append(all, claim{of: m[1], owner: m[2], left: m[3] != ""})
		}
	}
	return all
}

// contenders are the owners of claims to a tag that have not left it, sorted.
func (all claims) contenders(of string) []string {
	var owners []string
	for _, c := range all {
		if c.of == of && !c.left && !slices.Contains(all, c.leaving()) {
			owners = append(owners, c.owner)
		}
	}
	slices.Sort(owners)
	return owners
}

// outcome is what came of a claim.
type outcome struct {
	// won is true for whom the tag is.
	won bool
	// rank is the claim's place among those that have not left, by name, from 0.
	rank int
	// tags are those of the last look.
	tags []string
}

// settle tells whether the tag is for who has written mine. A registry that lists
// the claim late is waited for; one that never does is refused.
func (s store) settle(ctx context.Context, mine claim) (outcome, error) {
	out := outcome{rank: 1}
	for look := range claimLooks {
		var err error
		if out.tags, err = s.tags(ctx); err != nil {
			return out, err
		}
		owners := readClaims(out.tags).contenders(mine.of)
		out.rank = slices.Index(owners, mine.owner)
		if len(owners) == 1 && out.rank == 0 {
			// Who had the tag may have taken its claim away while the list was made;
			// then the tag is there by now.
			_, there, err := s.digestIf(ctx, mine.of)
			out.won = err == nil && !there
			return out, err
		}
		// What is not in the list yet may come: claims of others, too.
		if out.rank > 0 || out.rank == 0 && slices.Contains(out.tags, mine.of) {
			return out, nil
		}
		if err := s.pause(ctx, time.Duration(look+1)*claimPause); err != nil {
			return out, err
		}
	}
	if out.rank < 0 {
		return out, fmt.Errorf("cannot %s: %s does not list a tag that it has taken: "+
			"try again later; if it stays, look at the registry's logs", s.doing, s.repo.Name())
	}
	return out, nil
}

// write adds a claim's tag.
func (s store) write(ctx context.Context, c claim) error {
	a, err := c.artifact()
	if err != nil {
		return err
	}
	_, err = s.put(ctx, c.tag(), a)
	return err
}

// artifact is a manifest of nothing. It is the same for a claim and its end.
func (c claim) artifact() (artifact, error) {
	c.left = false
	notes := map[string]string{claimKey: c.tag()}
	if c.by != "" {
		notes[claimedBy], notes[claimBeat] = c.by, strconv.Itoa(c.beat)
	}
	return newArtifact(claimArtifact, []byte(emptyContent), emptyConfig, []v1.Descriptor{}, notes)
}

// emptyArtifact is an artifact of a manifest whose config is the empty one.
func emptyArtifact(manifest []byte) artifact {
	return artifact{manifest: manifest, config: static.NewLayer([]byte(emptyContent), emptyConfig)}
}

// release deletes claims. One that cannot be deleted does no harm: its owner
// will never write anything again. That is told if the claim was written at all, as
// far as the registry answers.
func (s store) release(ctx context.Context, made claims) {
	for _, c := range made {
		a, err := c.artifact()
		if err != nil {
			continue
		}
		digest, err := a.digest()
		if err != nil {
			continue
		}
		if err := s.remove(ctx, digest, c.leaving().tag(), c.tag()); err != nil {
			if statusOf(err) == 0 {
				return
			}
			if _, there, _ := s.digestIf(ctx, c.tag()); there {
				s.o.log("the tag " + c.tag() + " stays in " + s.repo.Name() + " and does no harm")
			}
			return
		}
	}
}
