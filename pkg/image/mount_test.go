// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestPackageTakesARegisteredModel(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	register(t, models, "sentiment", filepath.Join(dir, "bert"))
	second := register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
	for kind, want := range map[types.MediaType]types.MediaType{
		types.DockerManifestSchema2: types.DockerUncompressedLayer, types.OCIManifestSchema1: types.OCIUncompressedLayer,
	} {
		src := Source{Environment: reg.push(t, "env:1", mutate.MediaType(empty.Image, kind)), Registry: models.Registry,
			Models: []Model{{Name: "sentiment"}, {Name: "other", Version: 3, Path: filepath.Join(dir, "bert")},
				{Name: "sentiment", Version: 1}}}
		got, err := Package(t.Context(), src, reg.host+"/x", options())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "models", got.Models, []string{"local/other:3", "sentiment:1", "sentiment:2"})
		equal(t, "model dir", got.ModelDir, "/var/azureml-app/azureml-models")
		equal(t, "layer", []any{got.Layers[2].Name, got.Layers[2].Digest, got.Layers[2].Size, got.Layers[2].Uploaded},
			[]any{"model sentiment:2", second.layer.Digest, second.Size, false})
		equal(t, "files", strings.Join(files(t, got)[18:], "\n"), "755 var/\n755 var/azureml-app/\n"+
			"755 var/azureml-app/azureml-models/\n755 var/azureml-app/azureml-models/sentiment/\n"+
			"755 var/azureml-app/azureml-models/sentiment/2/\n644 var/azureml-app/azureml-models/sentiment/2/model.pkl")
		manifest := must(must(remote.Image(must(parseImage(got.Reference, options())))).Manifest())
		equal(t, "type", manifest.Layers[2].MediaType, want)
	}
}

// A file that is deployed as NAME:VERSION=PATH makes the layer of the registered
// model.
func TestARegisteredModelHasTheLayerOfItsFile(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	r := register(t, models, "bert", filepath.Join(dir, "bert"))
	got, err := Package(t.Context(), Source{Environment: reg.environment(t),
		Models: []Model{{"bert", 1, filepath.Join(dir, "bert")}}}, reg.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "digest", got.Layers[0].Digest, r.layer.Digest)
}

// mountable makes blobs be seen in another repository only after they were
// mounted there, as they are in real registries. A registry that refuses to
// mount begins an upload.
func (r *testRegistry) mountable(repo string, refuses bool) (asked *atomic.Int32) {
	asked = &atomic.Int32{}
	r.fail(func(w http.ResponseWriter, q *http.Request) bool {
		blob := strings.HasPrefix(q.URL.Path, "/v2/"+repo+"/blobs/")
		switch from := q.URL.Query().Get("from"); {
		case blob && q.Method == http.MethodHead && asked.Load() == 0:
			w.WriteHeader(http.StatusNotFound)
			return true
		case blob && q.Method == http.MethodPost && strings.HasPrefix(from, "ml/models/"):
			asked.Add(1)
			if !refuses {
				w.WriteHeader(http.StatusCreated)
				return true
			}
			query := q.URL.Query()
			query.Del("mount")
			query.Del("from")
			q.URL.RawQuery = query.Encode()
		}
		return false
	})
	return asked
}

func TestARegisteredModelIsMounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuses bool
		reads   int
	}{
		"by a registry that can":       {false, 0},
		"or copied by one that cannot": {true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			r := register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
			env := reg.push(t, "env:1", mutate.MediaType(empty.Image, types.OCIManifestSchema1))
			asked := reg.mountable("x", c.refuses)
			reg.uploads()
			got, err := Package(t.Context(), Source{Environment: env, Registry: models.Registry,
				Models: []Model{{Name: "sentiment"}}}, reg.host+"/x", options())
			if err != nil {
				t.Fatal(err)
			}
			reads := 0
			reg.mu.Lock()
			for _, q := range reg.requests {
				if q == "GET /v2/ml/models/sentiment/blobs/"+r.layer.Digest.String() {
					reads++
				}
			}
			reg.mu.Unlock()
			equal(t, "asked to mount", asked.Load(), 1)
			equal(t, "times the model was read", reads, c.reads)
			equal(t, "uploaded", got.Layers[0].Uploaded, c.refuses)
		})
	}
}

func TestARegisteredModelOfAnotherRegistryIsCopied(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	r := register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
	other := newRegistry(t)
	got, err := Package(t.Context(), Source{Environment: other.environment(t), Registry: models.Registry,
		Models: []Model{{Name: "sentiment", Version: 1}}}, other.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "layer", []any{got.Layers[0].Digest, got.Layers[0].Uploaded}, []any{r.layer.Digest, true})
	equal(t, "files", files(t, got)[5], "644 var/azureml-app/azureml-models/sentiment/1/model.pkl")
}

func TestPackageRefusesModelsThatAreNotRegistered(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	for range 12 {
		register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
	}
	environment := reg.environment(t)
	for name, c := range map[string]struct {
		models []Model
		want   string
	}{
		"a model": {[]Model{{Name: "bert"}}, `no model "bert" is registered in ` + models.Registry +
			": correct the name, or register it"},
		"a version": {[]Model{{Name: "sentiment", Version: 13}}, "model sentiment:13 is not registered in " +
			models.Registry + ": there are the versions …, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"},
		"the highest twice": {[]Model{{Name: "sentiment", Version: 12}, {Name: "sentiment"}},
			"model sentiment:12 is given twice: give one of them another name or version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Package(t.Context(), Source{Environment: environment, Registry: models.Registry, Models: c.models},
				reg.host+"/x", options())
			equal(t, "error", err, c.want)
		})
	}
	_, err := Source{Models: []Model{{Name: "a", Version: 1}}}.Resolve(t.Context(), options())
	equal(t, "error without a registry", err, "model a:1 is a registered one, and no registry is named")
	src, err := Source{Registry: models.Registry, Models: []Model{{Name: "sentiment"}}}.Resolve(t.Context(), options())
	equal(t, "resolved", []any{src.Models, err}, []any{[]Model{{Name: "sentiment", Version: 12}}, error(nil)})
}
