// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestWhatRegistriesAnswerAboutModels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path string
		status       int
		do           func(t *testing.T, m Models, file string) error
		want         string
	}{
		"no login": {"", "", 401, find, `cannot read HOST/ml/models/sentiment:1: the registry wants a login (401): ` +
			`run "docker login HOST", then try again`},
		"too many requests": {"GET", "", 429, find, "cannot read HOST/ml/models/sentiment:1: the registry has had too many " +
			"requests (429): wait a few minutes, then try again; a login raises the limit"},
		"broken": {"PUT", "/manifests/2", 500, again, "cannot push to HOST/ml/models/sentiment: the registry failed (500): " +
			"try again later; if it stays, look at the registry's logs"},
		"no list of versions": {"GET", "/tags/list", 500, again, "cannot list the tags in HOST/ml/models/sentiment: " +
			"the registry failed (500): try again later; if it stays, look at the registry's logs"},
		"no deletion": {"DELETE", "", 405, remove, "cannot delete HOST/ml/models/sentiment@DIGEST: the registry refuses " +
			"deletion (405): allow it in the registry's configuration, or use the registry's own tools"},
		"no catalog": {"GET", "/_catalog", 404, list, "cannot list the models in HOST/ml: the registry does not list its " +
			"repositories to you (404): name one model, or log in as somebody who may see the catalog"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			file := filepath.Join(dir, "model.pkl")
			r := register(t, models, "sentiment", file)
			reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
				if c.method != "" && (c.method != q.Method || q.URL.Path == "/v2/") || !strings.HasSuffix(q.URL.Path, c.path) {
					return false
				}
				w.WriteHeader(c.status)
				return true
			})
			err := c.do(t, models, file)
			equal(t, "error", err, strings.NewReplacer("HOST", reg.host, "DIGEST", r.digest.String()).Replace(c.want))
		})
	}
}

func find(t *testing.T, m Models, _ string) error {
	t.Helper()
	_, err := m.Find(t.Context(), "sentiment", 1)
	return err
}

func again(t *testing.T, m Models, file string) error {
	t.Helper()
	_, err := m.Register(t.Context(), "sentiment", file, ModelInfo{})
	return err
}

func remove(t *testing.T, m Models, _ string) error {
	t.Helper()
	_, err := m.Delete(t.Context(), "sentiment", 1)
	return err
}

func list(t *testing.T, m Models, _ string) error {
	t.Helper()
	_, err := m.List(t.Context(), Filter{})
	return err
}

func TestRegistriesThatAskToWaitAreWaitedFor(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, after := range []string{"7", start.Add(7 * time.Second).Format(http.TimeFormat), "3600"} {
		fake := clocktesting.NewFakeClock(start)
		models.Options.Clock = stepping{fake}
		var once atomic.Bool
		reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
			if strings.HasSuffix(q.URL.Path, "/tags/list") && once.CompareAndSwap(false, true) {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			return false
		})
		register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
		want := 7 * time.Second
		if after == "3600" {
			want = 30 * time.Second
		}
		equal(t, "waited for "+after, fake.Since(start), want)
	}
}

// stepping is a clock whose time goes on only while it is waited for.
type stepping struct{ *clocktesting.FakeClock }

func (s stepping) NewTimer(d time.Duration) clock.Timer {
	timer := s.FakeClock.NewTimer(d)
	s.Step(d)
	return timer
}

// unheard is an address at which nothing listens, and nothing else can: its port
// is that of the caller's end of a connection, which stays open.
func unheard(t *testing.T) string {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = listener.Close() })
	caller := must((&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String()))
	t.Cleanup(func() { _ = caller.Close() })
	return caller.LocalAddr().String()
}

// A connection that is reset while the model is pushed is made again.
func TestAResetWhileAModelIsPushed(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	var resets atomic.Int32
	reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPatch && q.ContentLength > 1000 && resets.Add(1) == 1 {
			reset(w)
		}
		return false
	})
	equal(t, "version", register(t, models, "sentiment", filepath.Join(dir, "model.pkl")).Version, 1)
	equal(t, "uploads", resets.Load(), 2)
	reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPatch && q.ContentLength > 1000 {
			reset(w)
		}
		return false
	})
	_, err := models.Register(t.Context(), "sentiment", filepath.Join(dir, "bert"), ModelInfo{})
	equal(t, "error", err, "cannot push to "+reg.host+"/ml/models/sentiment: "+reg.host+
		" broke the connection off: try again; if it stays, look at the registry's logs")
	reg.fail(nil)
	equal(t, "tags", must(remote.List(must(models.shelf("sentiment")).repo)), []string{"1"})
}

// reset ends a connection without an answer.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	must(0, err)
	must(0, c.Close())
}

func TestWhatIsNoModelIsRefused(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	reg.push(t, "ml/models/sentiment:1", must(random.Image(10, 1)))
	_, err := models.Find(t.Context(), "sentiment", 0)
	equal(t, "error", err, reg.host+"/ml/models/sentiment:1 is not model sentiment:1: it was not made by model register")
	equal(t, "listed", len(must(models.List(t.Context(), Filter{}))), 0)
	equal(t, "the next", register(t, models, "sentiment", filepath.Join(dir, "model.pkl")).ID, "sentiment:2")
}

// A name that no registration takes could write to the terminal of whoever lists.
func TestAForgedNameIsNoModel(t *testing.T) {
	t.Parallel()
	_, models, _ := shop(t)
	const evil = "evil\x1b[2J"
	s := must(models.shelf("x"))
	s.model, s.repo = evil, must(models.root()).Repo("ml/models", repositoryName(evil))
	must(s.tag(t.Context(), Registered{ID: "x:1", Name: evil, Version: 1, layer: v1.Descriptor{MediaType: modelWeights,
		Digest: must(v1.NewHash("sha256:" + strings.Repeat("0", 64)))}}))
	equal(t, "listed", len(must(models.List(t.Context(), Filter{}))), 0)
}

func FuzzReadArtifact(f *testing.F) {
	made := Registered{Name: "a", Version: 1, layer: v1.Descriptor{MediaType: modelWeights}}
	f.Add(must(made.artifact()).manifest)
	f.Add([]byte(`{"artifactType":"` + modelArtifact + `","layers":[null]}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		r, err := readArtifact(manifest, v1.Hash{}, "x/y")
		if (err == nil) != (r.Version > 0) {
			t.Errorf("%+v with %v", r, err)
		}
	})
}

func FuzzReadNumbers(f *testing.F) {
	for _, seed := range []string{"1", "01", "claim-1-ab", "claim-1-ab-left", "claim-0-a", "latest", "99999999999", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		n := readNumbers([]string{tag})
		for _, v := range n.versions {
			equal(t, "version", v, tag)
		}
		for _, c := range n.claims {
			equal(t, "claim", c.tag(), tag)
		}
		if len(n.versions)+len(n.claims) == 1 && n.next() < 2 {
			t.Errorf("after %q comes %d", tag, n.next())
		}
	})
}
