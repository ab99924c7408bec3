// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// shop is a registry and a folder with a model.
func shop(t *testing.T) (reg *testRegistry, models Models, dir string) {
	t.Helper()
	reg = newRegistry(t)
	dir = write(t, map[string]string{"model.pkl": "weights", "bert/config.json": "{}", "bert/sub/weights.bin": "w"})
	return reg, Models{Registry: reg.host + "/ml", Options: options()}, dir
}

func register(t *testing.T, m Models, name, file string) Registered {
	t.Helper()
	r, err := m.Register(t.Context(), name, file, ModelInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegister(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	models.Options.Clock = clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	info := ModelInfo{Description: "of sentences", Tags: map[string]string{"stage": "test"}, Framework: "ScikitLearn",
		FrameworkVersion: "1.5", Resources: &Resources{CPU: 0.5, MemoryInGB: 1, GPU: 0}, RunID: "run-7"}
	got, err := models.Register(t.Context(), "sentiment", filepath.Join(dir, "model.pkl"), info)
	if err != nil {
		t.Fatal(err)
	}
	text := string(must(json.MarshalIndent(got, "", "  ")))
	equal(t, "in JSON", strings.ReplaceAll(strings.ReplaceAll(text, reg.host, "HOST"), got.digest.String(), "DIGEST"), `{
  "id": "sentiment:1",
  "name": "sentiment",
  "version": 1,
  "createdTime": "2026-03-01T12:00:00Z",
  "description": "of sentences",
  "tags": {
    "stage": "test"
  },
  "properties": {},
  "framework": "ScikitLearn",
  "frameworkVersion": "1.5",
  "resourceConfiguration": {
    "cpu": 0.5,
    "memoryInGB": 1
  },
  "runId": "run-7",
  "url": "oci://HOST/ml/models/sentiment@DIGEST",
  "sizeInBytes": 4608
}`)
	found := must(models.Find(t.Context(), "sentiment", 1))
	equal(t, "found", string(must(json.MarshalIndent(found, "", "  "))), text)
	equal(t, "tags", must(remote.List(must(models.root()).Repo("ml/models/sentiment"))), []string{"1"})
	manifest := must(v1.ParseManifest(strings.NewReader(string(must(remote.Get(found.tag(t))).Manifest))))
	equal(t, "types", []any{manifest.ArtifactType, manifest.Config.MediaType, manifest.Layers[0].MediaType,
		manifest.Layers[0].Annotations}, []any{"application/vnd.cncf.model.manifest.v1+json",
		"application/vnd.cncf.model.config.v1+json", "application/vnd.cncf.model.weight.v1.tar",
		map[string]string{"org.cncf.model.filepath": "model.pkl", "org.opencontainers.image.title": "sentiment-1.tar"}})
	config := must(must(remote.Layer(found.tag(t).Context().Digest(manifest.Config.Digest.String()))).Compressed())
	equal(t, "config", string(must(io.ReadAll(config))), `{"descriptor":{"createdAt":"2026-03-01T12:00:00Z",`+
		`"name":"sentiment","version":"1","description":"of sentences"},"config":{"format":"ScikitLearn"},`+
		`"modelfs":{"type":"layers","diffIds":["`+manifest.Layers[0].Digest.String()+`"]}}`)
}

func TestVersionsAreCounted(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	for i := range 11 {
		equal(t, "version", register(t, models, "sentiment", filepath.Join(dir, "bert")).Version, i+1)
	}
	equal(t, "the highest", must(models.Find(t.Context(), "sentiment", 0)).ID, "sentiment:11")
	equal(t, "another model's first", register(t, models, "bert", filepath.Join(dir, "bert")).ID, "bert:1")
	// The number of a deleted version is not given away again.
	must(models.Delete(t.Context(), "sentiment", 0))
	equal(t, "the highest that is left", must(models.Find(t.Context(), "sentiment", 0)).ID, "sentiment:10")
	must(models.Delete(t.Context(), "sentiment", 3))
	equal(t, "after the deleted one", register(t, models, "sentiment", filepath.Join(dir, "model.pkl")).Version, 12)
	var ids []string
	for _, r := range must(models.List(t.Context(), Filter{})) {
		ids = append(ids, r.ID)
	}
	equal(t, "list", ids, "[bert:1 sentiment:1 sentiment:2 sentiment:4 sentiment:5 sentiment:6 sentiment:7 "+
		"sentiment:8 sentiment:9 sentiment:10 sentiment:12]")
	latest := must(models.List(t.Context(), Filter{Latest: true, Match: func(r Registered) bool { return r.Name != "bert" }}))
	equal(t, "latest", []any{len(latest), latest[0].ID}, []any{1, "sentiment:12"})
}

// shuffle makes a registry answer in no particular order.
func shuffle() {
	<-clock.RealClock{}.After(rand.N(700 * time.Microsecond))
}

func TestTwentyRegisterAtOnce(t *testing.T) {
	t.Parallel()
	for name, deletes := range map[string]bool{"a registry that deletes": true, "one that refuses to": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
				shuffle()
				refuses := !deletes && r.Method == http.MethodDelete
				if refuses {
					w.WriteHeader(http.StatusMethodNotAllowed)
				}
				return refuses
			})
			file := filepath.Join(dir, "model.pkl")
			numbers := together(t, 20, func(ctx context.Context, i int) (int, error) {
				r, err := models.Register(ctx, "sentiment", file, ModelInfo{RunID: fmt.Sprint(i)})
				return r.Version, err
			})
			slices.Sort(numbers)
			if len(slices.Compact(slices.Clone(numbers))) != 20 {
				t.Errorf("numbers %v", numbers)
			}
			runs := map[string]bool{}
			for _, r := range must(models.List(t.Context(), Filter{Name: "sentiment"})) {
				runs[r.RunID] = true
			}
			equal(t, "models that can be found", len(runs), 20)
			t.Logf("numbers %v", numbers)
		})
	}
}

// together runs f n times at once.
func together(t *testing.T, n int, f func(ctx context.Context, i int) (int, error)) []int {
	t.Helper()
	out, errs := make([]int, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { out[i], errs[i] = f(t.Context(), i) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

// patient is a clock that gives others five times as long, so that a machine with
// much to do does not decide who gets which number.
type patient struct{ clock.RealClock }

func (p patient) NewTimer(d time.Duration) clock.Timer { return p.RealClock.NewTimer(5 * d) }

func TestTwoAtOnceLeaveNoNumberOut(t *testing.T) {
	t.Parallel()
	for range 20 {
		_, models, dir := shop(t)
		models.Options.Clock = patient{}
		file := filepath.Join(dir, "model.pkl")
		numbers := together(t, 2, func(ctx context.Context, _ int) (int, error) {
			r, err := models.Register(ctx, "sentiment", file, ModelInfo{})
			return r.Version, err
		})
		slices.Sort(numbers)
		equal(t, "numbers", numbers, []int{1, 2})
	}
}

// What a registration that died has left keeps its number, and stops nobody.
func TestAClaimThatStayed(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	s := must(models.shelf("sentiment"))
	must(0, s.write(t.Context(), claim{of: "1", owner: "0000000000000000"}))
	equal(t, "version", register(t, models, "sentiment", filepath.Join(dir, "model.pkl")).Version, 2)
	_, err := models.Find(t.Context(), "sentiment", 1)
	equal(t, "error", strings.Contains(fmt.Sprint(err), "there are the versions 2"), true)
}

// A registry may list what it was given a moment later: a claim that is not in the
// list yet is waited for, and not taken for one that lost.
func TestARegistryThatListsTagsLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		looks int32
		want  string
	}{
		"after a while": {4, ""},
		"never": {1 << 30, "cannot register sentiment: HOST/ml/models/sentiment does not list a tag that it has taken: " +
			"try again later; if it stays, look at the registry's logs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			models.Options.Clock = stepping{clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
			var looks, claims atomic.Int32
			reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
				if q.Method == http.MethodPut && strings.Contains(q.URL.Path, "/manifests/claim-") {
					claims.Add(1)
				}
				if !strings.HasSuffix(q.URL.Path, "/tags/list") || looks.Add(1) > c.looks {
					return false
				}
				_, _ = io.WriteString(w, `{"name": "ml/models/sentiment", "tags": []}`)
				return true
			})
			r, err := models.Register(t.Context(), "sentiment", filepath.Join(dir, "model.pkl"), ModelInfo{})
			equal(t, "claims", claims.Load(), 1)
			if c.want == "" {
				equal(t, "registered", []any{r.Version, err}, []any{1, error(nil)})
				return
			}
			equal(t, "error", err, strings.ReplaceAll(c.want, "HOST", reg.host))
			reg.fail(nil)
			equal(t, "tags", len(must(remote.List(must(models.shelf("sentiment")).repo))), 0)
		})
	}
}

// The number of the highest version is not given away again, also when another
// registration that then fails is on its way while it is deleted.
func TestADeletedNumberStaysTakenBesideAClaim(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	file := filepath.Join(dir, "model.pkl")
	register(t, models, "sentiment", file)
	s := must(models.shelf("sentiment"))
	other := claim{of: "2", owner: "0000000000000000"}
	must(0, s.write(t.Context(), other))
	must(models.Delete(t.Context(), "sentiment", 1))
	s.release(t.Context(), claims{other})
	equal(t, "version", register(t, models, "sentiment", file).Version, 2)
}

// A registration that fails gives its number back.
func TestAFailedRegistrationLeavesNothing(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	file := filepath.Join(dir, "model.pkl")
	reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/1") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	_, err := models.Register(t.Context(), "sentiment", file, ModelInfo{})
	equal(t, "error", err, "cannot push to "+reg.host+"/ml/models/sentiment: the login does not allow it (403): "+
		`ask for the right to it, or log in as somebody else with "docker login `+reg.host+`"`)
	reg.fail(nil)
	equal(t, "version", register(t, models, "sentiment", file).Version, 1)
}

func TestNamesThatAreNoRepository(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	repos := map[string]string{}
	for _, name := range []string{"sentiment", "Sentiment", "SENTIMENT", "a..b", "a.b", "a_b-c.pkl", "x-", "x",
		strings.Repeat("a", 255), strings.Repeat("a", 254)} {
		r := register(t, models, name, filepath.Join(dir, "model.pkl"))
		equal(t, "name", must(models.Find(t.Context(), name, 0)).ID, name+":1")
		repos[strings.Split(r.URL, "@")[0]] = name
	}
	equal(t, "repositories", len(repos), 10)
	equal(t, "list", len(must(models.List(t.Context(), Filter{}))), 10)
	equal(t, "upper case", repositoryName("Sentiment"), "sentiment-7eb8bfc6b6")
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	before := must(models.Register(t.Context(), "sentiment", filepath.Join(dir, "model.pkl"), ModelInfo{
		Tags: map[string]string{"a": "1", "b": "2"}, Properties: map[string]string{"p": "1"}}))
	text := "better"
	got := must(models.Update(t.Context(), "sentiment", 0, Change{Description: &text, Resources: &Resources{GPU: 1},
		SetTags: map[string]string{"b": "3", "c": "4"}, RemoveTags: []string{"a", "z"},
		AddProperties: map[string]string{"p": "1", "q": "2"}}))
	equal(t, "changed", []any{got.Description, got.Tags, got.Properties, got.Resources.GPU},
		[]any{"better", map[string]string{"b": "3", "c": "4"}, map[string]string{"p": "1", "q": "2"}, 1})
	equal(t, "kept", []any{got.ID, got.CreatedTime, got.layer.Digest},
		[]any{before.ID, before.CreatedTime, before.layer.Digest})
	found := must(models.Find(t.Context(), "sentiment", 1))
	equal(t, "found", fmt.Sprintf("%v %v", found.Tags, found.URL), fmt.Sprintf("%v %v", got.Tags, got.URL))
	_, err := models.Update(t.Context(), "sentiment", 1, Change{AddProperties: map[string]string{"p": "2"}})
	equal(t, "error", err, `property "p" of model sentiment:1 is "1", and properties never change: `+
		"use a tag, or another name")
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	file := filepath.Join(dir, "model.pkl")
	cases := map[string]struct {
		registry, name, file string
		info                 ModelInfo
		want                 string
	}{
		"a path that is not there": {file: dir + "/gone.pkl", want: "model sentiment:1: " + dir +
			"/gone.pkl does not exist: write the path of a file or folder"},
		"a name": {name: "a b", want: `model name "a b" is not valid: write up to 255 letters, digits, -, . and _, ` +
			"not beginning with a sign"},
		"a registry": {registry: "https://x", want: `registry "https://x" is not valid: write it as HOST or HOST/PATH ` +
			"in lower case, such as example.azurecr.io"},
		"frameworks": {info: ModelInfo{Framework: "tensorflow"}, want: `framework "tensorflow" is not known: ` +
			"write one of Custom, Multi, Onnx, PyTorch, ScikitLearn, TensorFlow, TfKeras"},
		"all at once": {file: "/dev/null", info: ModelInfo{FrameworkVersion: "2", Resources: &Resources{CPU: -1},
			Tags: map[string]string{"": "x"}}, want: "the framework's version is given without a framework: name it too\n" +
			"resources must be greater than 0: cpu in cores, memory in GB, gpu a whole number\n" +
			"a tag or property has no name: write NAME=VALUE\n" +
			"/dev/null is a device: remove it, or leave it out with .amlignore"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := models
			if c.registry != "" {
				m.Registry = c.registry
			}
			if c.name == "" {
				c.name = "sentiment"
			}
			if c.file == "" {
				c.file = file
			}
			_, err := m.Register(t.Context(), c.name, c.file, c.info)
			equal(t, "error", err, c.want)
		})
	}
	_, err := models.Find(t.Context(), "sentiment", 0)
	equal(t, "nothing was registered", err, `no model "sentiment" is registered in `+reg.host+
		"/ml: correct the name, or register it")
}

func TestRegisterNoticesAFileThatChanges(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	file := filepath.Join(dir, "model.pkl")
	var uploads atomic.Int32
	reg.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		// The first upload is that of a claim; before the second, the file was hashed.
		if r.Method == http.MethodPost && uploads.Add(1) == 2 {
			must(0, os.WriteFile(file, []byte("other"), 0o600))
		}
		return false
	})
	_, err := models.Register(t.Context(), "sentiment", file, ModelInfo{})
	equal(t, "error", err, file+" changed while it was read: wait until nothing writes to it, then try again")
	reg.fail(nil)
	equal(t, "version", register(t, models, "sentiment", file).Version, 1)
}

// tag is the reference of r by its version.
func (r Registered) tag(t *testing.T) name.Tag {
	t.Helper()
	return must(r.source(options())).Context().Tag(fmt.Sprint(r.Version))
}
