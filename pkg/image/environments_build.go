// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A builder renews its claim every claimRenewal. Who waits looks every claimPoll,
// and takes a claim for dead that was the same claimDead times in a row. So no
// clocks are compared, and a machine that slept takes nobody for dead when it wakes.
const (
	claimRenewal = 10 * time.Second
	claimPoll    = 3 * time.Second
	claimDead    = 20
	// claimPatience is how long a claim may take to be written or to go.
	claimPatience = 10 * time.Second

	somebody = "somebody"
)

// Ensure finds an environment as Find does or, if it is nowhere, has it built and
// pushes it to the workspace's registry. The image goes there by digest, and gets
// its tag when it is complete: nobody finds half an image. The list of its packages
// is attached to it, see SBOM.
//
// Of those who start at once, one builds. The others say on whom they wait, and
// take its image. If it fails the next one builds; if it was killed, within a
// minute or so. Should two build all the same, because a registry forgot a claim,
// the image is used that has the tag first.
//
// Errors are those of Find and of build, and what the registry answers to a push,
// as in Package.
func (e Environments) Ensure(ctx context.Context, digest string, build func(context.Context) (v1.Image, error)) (
	Found, error,
) {
	found, err := e.Find(ctx, digest)
	if err != nil || found.Reference != "" {
		return found, err
	}
	repo, err := repositoryIn(e.Registry, environmentsName, e.Options)
	if err != nil {
		return found, err
	}
	c := construction{store: newStore(repo, "build environment "+short(digest), e.Options), digest: digest,
		by: cmp.Or(e.Builder, somebody), rivals: map[string]*rival{}}
	var made v1.Image
	c.build = func(ctx context.Context) (v1.Image, error) {
		made, err = build(ctx)
		return made, err
	}
	image, err := c.run(ctx)
	if err != nil {
		return found, err
	}
	found.Reference, found.Where, found.Built = pinned(repo.Digest(image.String()), image), e.Registry, c.built
	if c.built {
		e.list(ctx, made, repo.Digest(image.String()))
	} else {
		look := Look{Environment: digest, Repository: repo.Name(), Reference: found.Reference}
		e.Options.log(look.String())
		found.Looked = append(found.Looked, look)
	}
	return found, nil
}

// list attaches the list of its packages to an environment that was built. The
// environment is as good without it: the list can be made at any time.
func (e Environments) list(ctx context.Context, made v1.Image, at name.Digest) {
	if _, err := attach(ctx, made, at, e.Options); err != nil {
		e.Options.log("the list of its packages is not attached to " + at.Name() + ": " + err.Error())
	}
}

// construction is an environment that is built, by this process or another.
type construction struct {
	store
	digest string
	by     string
	build  func(context.Context) (v1.Image, error)
	rivals map[string]*rival
	built  bool
}

// rival is somebody who has a claim, as far as it was seen.
type rival struct {
	by       string
	manifest v1.Hash
	// same counts the looks that found the claim as it was.
	same int
}

// run goes on until the environment is there, or cannot be.
func (c *construction) run(ctx context.Context) (v1.Hash, error) {
	for lost := 0; ; {
		image, there, err := c.step(ctx)
		if there {
			return image, nil
		}
		if err == nil {
			lost = 0
		} else if lost++; len(c.rivals) == 0 || !passing(err) || lost == claimDead {
			// While somebody else builds, a registry that fails may be back in a moment.
			return image, err
		}
		if err := c.pause(ctx, claimPoll); err != nil {
			return image, err
		}
	}
}

// step looks for the image, then for others who build it, and builds it if there
// are none.
func (c *construction) step(ctx context.Context) (v1.Hash, bool, error) {
	image, there, err := c.digestIf(ctx, c.digest)
	if there || err != nil {
		return image, there, err
	}
	if err := c.watch(ctx); err != nil || len(c.rivals) > 0 {
		return image, false, err
	}
	return c.contend(ctx)
}

// passing tells whether another try may go better.
func passing(err error) bool {
	var told *RegistryError
	return errors.As(err, &told) && (told.Status == 0 || told.Status == http.StatusRequestTimeout ||
		told.Status == http.StatusTooManyRequests || told.Status >= http.StatusInternalServerError)
}

// watch looks who else has a claim and lives.
func (c *construction) watch(ctx context.Context) error {
	tags, err := c.tags(ctx)
	if err != nil {
		return err
	}
	living := map[string]*rival{}
	for _, owner := range readClaims(tags).contenders(c.digest) {
		r, err := c.visit(ctx, claim{of: c.digest, owner: owner})
		if err != nil {
			return err
		}
		if r != nil {
			living[owner] = r
		}
	}
	c.rivals = living
	return nil
}

// visit looks at one claim. It returns nil if that is gone, or dead.
func (c *construction) visit(ctx context.Context, theirs claim) (*rival, error) {
	manifest, there, err := c.digestIf(ctx, theirs.tag())
	if err != nil || !there {
		return nil, err
	}
	r, known := c.rivals[theirs.owner]
	switch {
	case !known:
		r = &rival{manifest: manifest, by: c.whose(ctx, theirs)}
		c.o.log("environment " + short(c.digest) + ": " + r.by + " builds it: waiting for the image")
	case r.manifest != manifest:
		r.manifest, r.same = manifest, 0
	default:
		r.same++
	}
	if r.same < claimDead {
		return r, nil
	}
	c.o.log("environment " + short(c.digest) + ": " + r.by + " builds it no more: its claim was not renewed")
	return nil, c.bury(ctx, theirs)
}

// whose reads who has a claim. Anybody may have written that.
func (c *construction) whose(ctx context.Context, theirs claim) string {
	const longest = 80
	got, err := remote.Get(c.repo.Tag(theirs.tag()), c.options(ctx)...)
	if err != nil {
		return somebody
	}
	var m v1.Manifest
	if err := json.Unmarshal(got.Manifest, &m); err != nil {
		return somebody
	}
	by := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, m.Annotations[claimedBy])
	return cmp.Or(strings.TrimSpace(strings.ToValidUTF8(by[:min(len(by), longest)], "")), somebody)
}

// bury ends a claim of somebody who cannot do so.
func (c *construction) bury(ctx context.Context, theirs claim) error {
	got, err := remote.Get(c.repo.Tag(theirs.tag()), c.options(ctx)...)
	if err != nil {
		return explain(err, "read", c.repo.Tag(theirs.tag()).Name())
	}
	_, err = c.put(ctx, theirs.leaving().tag(), emptyArtifact(got.Manifest))
	if gone := c.remove(ctx, got.Digest, theirs.leaving().tag(), theirs.tag()); gone == nil {
		return nil // a disk that is full takes no tag, but loses one
	}
	return err
}

// contend claims the environment and, if nobody else does, has it built.
func (c *construction) contend(ctx context.Context) (v1.Hash, bool, error) {
	mine := claim{of: c.digest, owner: newOwner(), by: c.by}
	defer c.leave(ctx, mine)
	if err := c.write(ctx, mine); err != nil {
		return v1.Hash{}, false, err
	}
	out, err := c.settle(ctx, mine)
	if err != nil || !out.won {
		return v1.Hash{}, false, err
	}
	defer c.renew(ctx, mine)()
	image, err := c.make(ctx)
	return image, err == nil, err
}

// renew shows that the claim's owner lives, until it is told to stop.
func (c *construction) renew(ctx context.Context, mine claim) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for failed := false; c.pause(ctx, claimRenewal) == nil; {
			mine.beat = 1 - mine.beat
			// A write that was given up could come after the claim was left.
			writing, end := context.WithTimeout(context.WithoutCancel(ctx), claimPatience)
			if err := c.write(writing, mine); err != nil && !failed {
				failed = true
				c.o.log("others may build environment " + short(c.digest) + " too: " + err.Error())
			}
			end()
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// leave ends a claim, also when ctx has ended: others wait for it.
func (c *construction) leave(ctx context.Context, mine claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimPatience)
	defer cancel()
	// What can neither be written nor deleted is taken for dead in a while.
	_ = c.write(ctx, mine.leaving())
	beaten := mine
	beaten.beat = 1
	c.release(ctx, claims{mine, beaten})
}

// make has the image built, pushes it, and gives it the tag when it is complete.
func (c *construction) make(ctx context.Context) (v1.Hash, error) {
	img, err := c.build(ctx)
	if err != nil {
		return v1.Hash{}, err
	}
	for _, pushed := range []bool{false, true} {
		if theirs, there, err := c.digestIf(ctx, c.digest); there || err != nil {
			return theirs, err
		}
		if !pushed {
			c.traffic.progress.begin("pushing to " + c.repo.Name())
			if _, err := push(ctx, c.repo, img, c.o, c.traffic); err != nil {
				return v1.Hash{}, err
			}
		}
	}
	tag := c.repo.Tag(c.digest)
	if err := remote.Put(tag, img, c.options(ctx)...); err != nil {
		return v1.Hash{}, explain(err, pushTo, c.repo.Name())
	}
	c.built = true
	return c.digestOf(ctx, c.digest)
}
