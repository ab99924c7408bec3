// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

// theirs is the claim of somebody else.
func theirs() claim {
	return claim{of: anEnvironment, owner: "0000000000000000", by: "other@there"}
}

// claimed is a workshop where somebody else has a claim. onLook is called with the
// number of each look at it, before that is answered.
func claimed(t *testing.T, onLook func(w *workshop, c *construction, look int)) *workshop {
	t.Helper()
	w := newWorkshop(t)
	c := must(w.construction())
	must(0, c.write(t.Context(), theirs()))
	w.Options.Clock = timeless()
	var looks atomic.Int32
	w.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, theirs().tag()) {
			onLook(w, c, int(looks.Add(1)))
		}
		return false
	})
	return w
}

// A builder that was killed renews nothing, and another takes over.
func TestTheClaimOfAKilledBuilderIsTakenOver(t *testing.T) {
	t.Parallel()
	w := claimed(t, func(*workshop, *construction, int) {})
	start := w.Options.Clock.Now()
	found := must(w.ensure(t.Context()))
	equal(t, "built", found.Built, true)
	if waited := w.Options.Clock.Since(start); waited < claimDead*claimPoll {
		t.Errorf("waited for %s only", waited)
	}
	equal(t, "told", strings.Split(w.told(), "\n")[1:3], []string{
		"environment 1a2b3c4d5e6f: other@there builds it: waiting for the image",
		"environment 1a2b3c4d5e6f: other@there builds it no more: its claim was not renewed"})
	equal(t, "tags", w.tags(t), []string{anEnvironment})
}

// A registry that deletes nothing keeps the claim of a killed builder, and that it
// left.
func TestADeadClaimThatStaysStopsNobody(t *testing.T) {
	t.Parallel()
	w := claimed(t, func(*workshop, *construction, int) {})
	w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
		refuses := r.Method == http.MethodDelete
		if refuses {
			answer.WriteHeader(http.StatusMethodNotAllowed)
		}
		return refuses
	})
	equal(t, "built", must(w.ensure(t.Context())).Built, true)
	equal(t, "contenders", len(readClaims(w.tags(t)).contenders(anEnvironment)), 0)
}

// However long somebody builds, it is waited for as long as the claim is renewed.
func TestALivingBuilderIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   func(t *testing.T, w *workshop, c *construction)
		built bool
		last  string
	}{
		"and its image is taken": {func(t *testing.T, w *workshop, _ *construction) {
			t.Helper()
			w.push(t, "ws/environments:"+anEnvironment, must(random.Image(100, 1)))
		}, false, "environment 1a2b3c4d5e6f: found in WORKSPACE/ws/environments"},
		"and when it fails the next one builds": {func(t *testing.T, _ *workshop, c *construction) {
			t.Helper()
			c.leave(t.Context(), theirs())
		}, true, "pushing to WORKSPACE/ws/environments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := claimed(t, func(w *workshop, con *construction, look int) {
				if look > 5*claimDead {
					return
				}
				mine := theirs()
				mine.beat = look / 4 % 2
				if look == 5*claimDead {
					c.end(t, w, con)
				} else {
					must(0, con.write(t.Context(), mine))
				}
			})
			found := must(w.ensure(t.Context()))
			equal(t, "built", found.Built, c.built)
			told := strings.Split(w.told(), "\n")
			equal(t, "told", told[1:3], []string{"environment 1a2b3c4d5e6f: other@there builds it: waiting for the image",
				c.last})
		})
	}
}

func TestTheImageThatHasTheTagFirstIsUsed(t *testing.T) {
	t.Parallel()
	other := must(random.Image(100, 1))
	for name, early := range map[string]bool{"during the build": true, "during the push": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			var once atomic.Bool
			another := func() {
				if once.CompareAndSwap(false, true) {
					w.push(t, "ws/environments:"+anEnvironment, other)
				}
			}
			w.fail(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:") {
					another()
				}
				return false
			})
			found := must(w.Ensure(t.Context(), anEnvironment, func(context.Context) (v1.Image, error) {
				if early {
					another()
				}
				return random.Image(1000, 2)
			}))
			pinned := must(Resolve(t.Context(), w.host+"/ws/environments:"+anEnvironment, options()))
			equal(t, "used", []any{found.Reference, found.Built, found.Where}, []any{pinned, false, w.host + "/ws"})
		})
	}
}

// A claim is renewed while the image is built, and goes when ctx ends.
func TestAClaimIsRenewedWhileItIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.Options.Clock = timeless()
	renewed := make(chan struct{})
	var renewals atomic.Int32
	w.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/claim-") {
			if renewals.Add(1) == 5 {
				close(renewed)
			}
		}
		return false
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.Ensure(ctx, anEnvironment, func(ctx context.Context) (v1.Image, error) {
		<-renewed
		cancel()
		return nil, ctx.Err()
	})
	equal(t, "ended", errors.Is(err, context.Canceled), true)
	equal(t, "tags", len(w.tags(t)), 0)
}

func TestARegistryThatFailsWhileSomebodyBuilds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		looks  int32
		want   string
	}{
		"for a while": {500, 8, "<nil>"},
		"for good": {500, 1 << 20, "cannot look up WORKSPACE/ws/environments:" + anEnvironment +
			": the registry failed (500): try again later; if it stays, look at the registry's logs"},
		"by refusing the login": {401, 1 << 20, "cannot look up WORKSPACE/ws/environments:" + anEnvironment +
			`: the registry wants a login (401): run "docker login WORKSPACE", then try again`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Bool
			w := claimed(t, func(*workshop, *construction, int) {})
			var looks atomic.Int32
			w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, theirs().tag()) {
					seen.Store(true)
				}
				if !seen.Load() || !strings.HasSuffix(r.URL.Path, "/manifests/"+anEnvironment) || looks.Add(1) > c.looks {
					return false
				}
				answer.WriteHeader(c.status)
				return true
			})
			_, err := w.ensure(t.Context())
			equal(t, "error", strings.ReplaceAll(fmt.Sprint(err), w.host, "WORKSPACE"), c.want)
		})
	}
}

// Anybody who may push can write a claim, and its text goes to a terminal.
func TestAForgedClaim(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]string{
		"evil\x1b[2J\nx":         "evil[2Jx",
		"\x1b":                   "somebody",
		strings.Repeat("é", 200): strings.Repeat("é", 40),
	} {
		w := newWorkshop(t)
		c := must(w.construction())
		forged := theirs()
		forged.by = by
		must(0, c.write(t.Context(), forged))
		equal(t, "name", c.whose(t.Context(), forged), want)
	}
}

// The image of an environment in a global registry is built upon from there: its
// blobs are copied, and only those that are not there.
func TestAnEnvironmentOfAGlobalRegistryIsPackaged(t *testing.T) {
	t.Parallel()
	global := newRegistry(t)
	w := newWorkshop(t, global.host)
	global.push(t, "environments:"+anEnvironment, must(random.Image(1000, 2)))
	dir, src := project(t)
	src.Environment = must(w.ensure(t.Context())).Reference
	first := must(Package(t.Context(), src, w.host+"/ws/endpoint", options()))
	equal(t, "sent and skipped", []int{first.Uploaded, first.Skipped}, []int{len(first.Layers) + 3, 0})
	equal(t, "environment", first.Environment, src.Environment)
	must(0, os.WriteFile(dir+"/src/score.py", []byte("changed"), 0o600))
	second := must(Package(t.Context(), src, w.host+"/ws/endpoint", options()))
	equal(t, "sent and skipped after a change", []int{second.Uploaded, second.Skipped}, []int{2, len(first.Layers) + 1})
}
