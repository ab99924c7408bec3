// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

const anEnvironment = "1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b"

// workshop is the registry of a workspace, and what is needed to build there.
type workshop struct {
	*testRegistry
	Environments

	mu    sync.Mutex
	lines []string
	built atomic.Int32
}

func newWorkshop(t *testing.T, global ...string) *workshop {
	t.Helper()
	w := &workshop{testRegistry: newRegistry(t)}
	w.Environments = Environments{Registry: w.host + "/ws", Global: global, Options: options(), Builder: "me@here"}
	w.Options.Log = func(line string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, strings.ReplaceAll(line, w.host, "WORKSPACE"))
	}
	return w
}

// told returns what was logged since the last call.
func (w *workshop) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return strings.Join(lines, "\n")
}

// ensure builds an image of two layers if it has to.
func (w *workshop) ensure(ctx context.Context) (Found, error) {
	return w.Ensure(ctx, anEnvironment, func(context.Context) (v1.Image, error) {
		w.built.Add(1)
		return random.Image(1000, 2)
	})
}

func (w *workshop) tags(t *testing.T) []string {
	t.Helper()
	// What is attached to the image has a tag where a registry knows no referrers.
	return slices.DeleteFunc(must(must(w.construction()).tags(t.Context())), func(tag string) bool {
		return strings.HasPrefix(tag, "sha256-")
	})
}

func (w *workshop) construction() (*construction, error) {
	repo, err := repositoryIn(w.Registry, environmentsName, w.Options)
	return &construction{store: newStore(repo, "build", w.Options), digest: anEnvironment, by: "other@there",
		rivals: map[string]*rival{}}, err
}

func TestAnEnvironmentIsFound(t *testing.T) {
	t.Parallel()
	global, other := newRegistry(t), newRegistry(t)
	w := newWorkshop(t, global.host+"/g", other.host)
	equal(t, "nowhere", fmt.Sprint(w.Find(t.Context(), anEnvironment)), fmt.Sprint(Found{Looked: []Look{
		{Environment: anEnvironment, Repository: w.host + "/ws/environments"},
		{Environment: anEnvironment, Repository: global.host + "/g/environments"},
		{Environment: anEnvironment, Repository: other.host + "/environments"},
	}}, nil))
	names := strings.NewReplacer(global.host, "GLOBAL", other.host, "OTHER")
	equal(t, "told", names.Replace(w.told()), "environment 1a2b3c4d5e6f: not in WORKSPACE/ws/environments\n"+
		"environment 1a2b3c4d5e6f: not in GLOBAL/g/environments\nenvironment 1a2b3c4d5e6f: not in OTHER/environments")

	img := must(random.Image(100, 1))
	other.push(t, "environments:"+anEnvironment, img)
	found := must(w.Find(t.Context(), anEnvironment))
	pinned := must(Resolve(t.Context(), other.host+"/environments:"+anEnvironment, options()))
	equal(t, "in the second global one", []any{found.Reference, found.Where}, []any{pinned, other.host})
	equal(t, "the same without a build", fmt.Sprint(w.ensure(t.Context())), fmt.Sprint(found, nil))
	equal(t, "told", strings.Split(names.Replace(w.told()), "\n")[2], "environment 1a2b3c4d5e6f: found in OTHER/environments")

	w.push(t, "ws/environments:"+anEnvironment, img)
	global.fail(func(http.ResponseWriter, *http.Request) bool {
		t.Error("a global registry was asked, though the workspace's has it")
		return false
	})
	found = must(w.Find(t.Context(), anEnvironment))
	equal(t, "in the workspace", []any{strings.Split(found.Reference, "@")[0], found.Where, len(found.Looked)},
		[]any{w.host + "/ws/environments", w.host + "/ws", 1})
}

func TestAnEnvironmentIsBuiltOnce(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	found := must(w.ensure(t.Context()))
	equal(t, "built", []any{found.Built, found.Where, w.built.Load()}, []any{true, w.host + "/ws", int32(1)})
	equal(t, "tags", w.tags(t), []string{anEnvironment})
	again := must(w.ensure(t.Context()))
	equal(t, "again", []any{again.Built, again.Reference, w.built.Load()}, []any{false, found.Reference, int32(1)})
}

func TestOfTenAtOnceOneBuilds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		people  int
		deletes bool
	}{
		"two": {2, true}, "ten": {10, true}, "ten in a registry that deletes nothing": {10, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			w.Options.Clock = timeless()
			w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
				shuffle()
				refuses := !c.deletes && r.Method == http.MethodDelete
				if refuses {
					answer.WriteHeader(http.StatusMethodNotAllowed)
				}
				return refuses
			})
			var mu sync.Mutex
			references := map[string]int{}
			builders := together(t, c.people, func(ctx context.Context, _ int) (int, error) {
				found, err := w.ensure(ctx)
				mu.Lock()
				defer mu.Unlock()
				references[found.Reference]++
				if found.Built {
					return 1, err
				}
				return 0, err
			})
			total := 0
			for _, n := range builders {
				total += n
			}
			equal(t, "builds", []any{w.built.Load(), total}, []any{int32(1), 1})
			equal(t, "images", len(references), 1)
			if c.deletes {
				equal(t, "tags", w.tags(t), []string{anEnvironment})
			}
		})
	}
}

func TestAFailedBuildLeavesItToTheNext(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	_, err := w.Ensure(t.Context(), anEnvironment, func(context.Context) (v1.Image, error) {
		return nil, errors.New("pip found no version of numpy")
	})
	equal(t, "error", err, "pip found no version of numpy")
	equal(t, "tags", len(w.tags(t)), 0)
	equal(t, "next", must(w.ensure(t.Context())).Built, true)
}
