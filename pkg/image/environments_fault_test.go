// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	clocktesting "k8s.io/utils/clock/testing"
)

func timeless() stepping {
	return stepping{clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
}

// answers makes a registry answer what is looked up with a status.
func answers(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		w.WriteHeader(status)
		return true
	}
}

func TestWhatRegistriesAnswerAboutEnvironments(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"no login": {answers(401), `the registry wants a login (401): run "docker login HOST", then try again`},
		"no right": {answers(403), "the login does not allow it (403): ask for the right to it, " +
			`or log in as somebody else with "docker login HOST"`},
		"too many requests": {answers(429), "the registry has had too many requests (429): wait a few minutes, then try " +
			"again; a login raises the limit"},
		"broken": {answers(500), "the registry failed (500): try again later; if it stays, look at the registry's logs"},
		"a reset": {func(w http.ResponseWriter, _ *http.Request) bool { reset(w); return true },
			"HOST broke the connection off: try again; if it stays, look at the registry's logs"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			global := newRegistry(t)
			w := newWorkshop(t, global.host)
			global.fail(c.answer)
			found, err := w.Find(t.Context(), anEnvironment)
			equal(t, "of a global registry", fmt.Sprint(found.Looked[1], err), "environment 1a2b3c4d5e6f: "+global.host+
				"/environments is passed over: "+strings.ReplaceAll(c.want, "HOST", global.host)+" <nil>")
			equal(t, "built all the same", must(w.ensure(t.Context())).Built, true)
			w.fail(c.answer)
			_, err = w.Find(t.Context(), anEnvironment)
			equal(t, "of the workspace's", err, "cannot look up "+w.host+"/ws/environments:"+anEnvironment+": "+
				strings.ReplaceAll(c.want, "HOST", w.host))
			var told *RegistryError
			equal(t, "kind of error", errors.As(err, &told), true)
		})
	}
}

func TestAGlobalRegistryThatDoesNotAnswerIsPassedOver(t *testing.T) {
	t.Parallel()
	global, silent := newRegistry(t), make(chan struct{})
	defer close(silent)
	global.fail(func(http.ResponseWriter, *http.Request) bool { <-silent; return false })
	w := newWorkshop(t, global.host)
	w.patience = time.Millisecond
	found := must(w.Find(t.Context(), anEnvironment))
	equal(t, "looked", found.Looked[1].Passed, global.host+
		" does not answer in time: check the network, and that the registry runs")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Find(ended, anEnvironment)
	equal(t, "ended", errors.Is(err, context.Canceled), true)
}

func TestEnvironmentsAreLookedUpWithoutHEADToo(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/") {
			answer.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}
		return false
	})
	built := must(w.ensure(t.Context()))
	found := must(w.ensure(t.Context()))
	equal(t, "found", []any{found.Reference, w.built.Load()}, []any{built.Reference, int32(1)})
}

func TestAnEnvironmentsLookUpWaitsAsItIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.Options.Clock = timeless()
	start := w.Options.Clock.Now()
	var once atomic.Bool
	w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" || !once.CompareAndSwap(false, true) {
			return false
		}
		answer.Header().Set("Retry-After", "7")
		answer.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	equal(t, "found", must(w.Find(t.Context(), anEnvironment)).Reference, "")
	equal(t, "waited", w.Options.Clock.Since(start), 7*time.Second)
	equal(t, "told", strings.Split(w.told(), "\n")[0], "WORKSPACE asks to wait for 7s")
}

func TestEnvironmentsRefuse(t *testing.T) {
	t.Parallel()
	_, err := Environments{Registry: "", Global: []string{"https://x", "localhost:1"}, Options: options()}.Find(
		t.Context(), "latest")
	equal(t, "error", err, `"latest" is not the digest of an environment: it has 64 digits of 0-9 and a-f`+"\n"+
		`registry "" is not valid: write it as HOST or HOST/PATH in lower case, such as example.azurecr.io`+"\n"+
		`registry "https://x" is not valid: write it as HOST or HOST/PATH in lower case, such as example.azurecr.io`)
}

// breaker breaks the uploads of one blob, as soon as another is there, and counts
// how often each was sent.
type breaker struct {
	size   int64
	other  v1.Hash
	breaks int
	how    func(http.ResponseWriter)

	there chan struct{}
	once  sync.Once
	mu    sync.Mutex
	sent  map[int64]int
}

func (b *breaker) answer(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPut && r.URL.Query().Get("digest") == b.other.String() {
		b.once.Do(func() { close(b.there) })
	}
	if r.Method != http.MethodPatch || !b.count(r.ContentLength) {
		return false
	}
	_, _ = io.CopyN(io.Discard, r.Body, b.size/2)
	<-b.there
	b.how(w)
	return true
}

// count tells whether an upload is to be broken.
func (b *breaker) count(size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[size]++
	if size != b.size || b.breaks == 0 {
		return false
	}
	b.breaks--
	return true
}

// sized is an image with a layer of each size.
func sized(t *testing.T) (img v1.Image, small, large int64) {
	t.Helper()
	img = must(random.Image(1000, 1))
	other := must(random.Layer(500_000, must(must(img.Layers())[0].MediaType())))
	small, large = must(must(img.Layers())[0].Size()), must(other.Size())
	return must(mutate.AppendLayers(img, other)), small, large
}

func TestWhatBreaksAPushIsSurvivedOrTold(t *testing.T) {
	t.Parallel()
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code) }
	}
	// The distribution registry's own words.
	full := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNKNOWN","message":"unknown error",`+
			`"detail":"write /var/lib/registry/docker/registry/v2/data: no space left on device"}]}`)
	}
	for name, c := range map[string]struct {
		how    func(http.ResponseWriter)
		breaks int
		want   string
	}{
		"one reset in the middle": {reset, 1, ""},
		"one failure":             {status(503), 1, ""},
		"nothing but resets": {reset, 99, "HOST broke the connection off: try again; " +
			"if it stays, look at the registry's logs"},
		"nothing but failures": {status(502), 99, "the registry failed (502): try again later; " +
			"if it stays, look at the registry's logs"},
		"a disk that is full":      {full, 99, "the registry's disk is full (500): make room there, then try again"},
		"one that says so by code": {status(507), 99, "the registry's disk is full (507): make room there, then try again"},
		"no right to push": {status(403), 99, "the login does not allow it (403): " +
			`ask for the right to it, or log in as somebody else with "docker login HOST"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			img, small, large := sized(t)
			b := &breaker{size: large, other: must(must(img.Layers())[0].Digest()), breaks: c.breaks, how: c.how,
				there: make(chan struct{}), sent: map[int64]int{}}
			w.fail(b.answer)
			build := func(context.Context) (v1.Image, error) { return img, nil }
			_, err := w.Ensure(t.Context(), anEnvironment, build)
			if c.want == "" {
				equal(t, "error", err, nil)
				equal(t, "times the blobs were sent", []any{b.sent[small], b.sent[large]}, []any{1, 2})
				return
			}
			equal(t, "error", err, "cannot push to "+w.host+"/ws/environments: "+strings.ReplaceAll(c.want, "HOST", w.host))
			equal(t, "found", must(w.Find(t.Context(), anEnvironment)).Reference, "")
			equal(t, "tags", len(w.tags(t)), 0)
			// Another try sends what was not sent, and nothing else.
			b.breaks, b.sent[large] = 0, 0
			found := must(w.Ensure(t.Context(), anEnvironment, build))
			equal(t, "built", found.Built, true)
			equal(t, "times the blobs were sent", []any{b.sent[small], b.sent[large]}, []any{1, 1})
		})
	}
}

// Half a push is never found: the tag comes after all else.
func TestATagThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.fail(func(answer http.ResponseWriter, r *http.Request) bool {
		fails := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/"+anEnvironment)
		if fails {
			answer.WriteHeader(http.StatusForbidden)
		}
		return fails
	})
	_, err := w.ensure(t.Context())
	equal(t, "error", err, "cannot push to "+w.host+"/ws/environments: the login does not allow it (403): "+
		`ask for the right to it, or log in as somebody else with "docker login `+w.host+`"`)
	equal(t, "found", must(w.Find(t.Context(), anEnvironment)).Reference, "")
	equal(t, "tags", len(w.tags(t)), 0)
}
