// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"oras.land/oras-go/v2/content/oci"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// shop is a layout in which models are registered, and a file of one.
func shop(t *testing.T) (*Layout, image.Models, string) {
	t.Helper()
	l, _ := newLayout(t)
	file := filepath.Join(t.TempDir(), "model.pkl")
	must(0, os.WriteFile(file, []byte("weights"), 0o600))
	return l, image.Models{Registry: Host, Options: image.Options{Transport: l.Transport(nobody{})}}, file
}

func environment(t *testing.T, l *Layout) string {
	t.Helper()
	img := must(random.Image(1000, 2))
	config := must(img.ConfigFile()).DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	img = must(mutate.ConfigFile(img, config))
	must(0, remote.Write(ref("environments:1"), img, l.remote(t)...))
	return Host + "/environments:1"
}

// On a machine with much to do a number may be left out; none is given twice.
func TestTenRegistrationsAtOnceGetTenNumbers(t *testing.T) {
	t.Parallel()
	l, models, file := shop(t)
	var all sync.WaitGroup
	var numbers []string
	var mu sync.Mutex
	for range 10 {
		all.Go(func() {
			own := must(Open(l.Folder())) // as another process does
			shop := image.Models{Registry: Host, Options: image.Options{Transport: own.Transport(nobody{})}}
			got, err := shop.Register(t.Context(), "sentiment", file, image.ModelInfo{})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			numbers = append(numbers, strconv.Itoa(got.Version))
		})
	}
	all.Wait()
	slices.Sort(numbers)
	equal(t, "numbers", len(slices.Compact(slices.Clone(numbers))), 10)
	equal(t, "listed", len(must(models.List(t.Context(), image.Filter{}))), 10)
	equal(t, "tags", must(remote.List(ref("models/sentiment").Context(), l.remote(t)...)), numbers)
}

func TestAModelsLifeInALayout(t *testing.T) {
	t.Parallel()
	l, models, file := shop(t)
	first := must(models.Register(t.Context(), "sentiment", file, image.ModelInfo{Description: "of sentences"}))
	must(0, os.WriteFile(file, []byte("other weights"), 0o600))
	must(models.Register(t.Context(), "sentiment", file, image.ModelInfo{}))
	words := "of words"
	must(models.Update(t.Context(), "sentiment", 1, image.Change{Description: &words}))
	equal(t, "updated", must(models.Find(t.Context(), "sentiment", 1)).Description, words)
	got := must(models.Download(t.Context(), must(models.Find(t.Context(), "sentiment", 1)), t.TempDir(), false))
	equal(t, "downloaded", string(must(os.ReadFile(got))), "weights")

	// oras reads it by its name.
	at := must(must(oci.New(l.Folder())).Resolve(t.Context(), "models/sentiment:1"))
	if at.Digest.String() == strings.TrimPrefix(first.URL, "oci://"+Host+"/models/sentiment@") {
		t.Error("oras finds the manifest before the update")
	}

	must(models.Delete(t.Context(), "sentiment", 2))
	equal(t, "left", len(must(models.List(t.Context(), image.Filter{Name: "sentiment"}))), 1)
	equal(t, "the next", must(models.Register(t.Context(), "sentiment", file, image.ModelInfo{})).Version, 3)
}

func TestAnImageIsMadeInALayout(t *testing.T) {
	t.Parallel()
	l, models, file := shop(t)
	must(models.Register(t.Context(), "sentiment", file, image.ModelInfo{}))
	src := image.Source{Environment: environment(t, l), Registry: Host, Models: []image.Model{{Name: "sentiment"}},
		Code: amlv1.Code{Script: file, EntryScript: "model.pkl"}}
	blobs := len(l.blobFiles())
	got := must(image.Package(t.Context(), src, Host+"/endpoint", models.Options))
	equal(t, "made", []any{strings.HasPrefix(got.Reference, Host+"/endpoint@sha256:"), got.Models, got.Uploaded},
		[]any{true, []string{"sentiment:1"}, 2})
	equal(t, "new blobs: code, config, manifest", len(l.blobFiles())-blobs, 3)
	img := must(remote.Image(ref(strings.TrimPrefix(got.Reference, Host+"/")), l.remote(t)...))
	must(0, validate.Image(img, validate.Fast)) // it takes all layers for compressed ones otherwise
	again := must(image.Package(t.Context(), src, Host+"/endpoint", models.Options))
	equal(t, "again", []any{again.Reference, again.Uploaded}, []any{got.Reference, 0})
	must(0, os.WriteFile(file, []byte("other code"), 0o600))
	equal(t, "other code", must(image.Package(t.Context(), src, Host+"/endpoint", models.Options)).Uploaded, 2)
}

// What a layout cannot do is told as what a registry cannot.
func TestWhatIsWrongWithALayoutIsTold(t *testing.T) {
	t.Parallel()
	l, models, file := shop(t)
	must(models.Register(t.Context(), "sentiment", file, image.ModelInfo{}))
	_, err := models.Find(t.Context(), "bert", 0)
	equal(t, "no model", err, `no model "bert" is registered in layout.localhost: correct the name, `+
		"or register it")
	_, err = image.Resolve(t.Context(), Host+"/environments:2", models.Options)
	equal(t, "no image", err, "cannot look up layout.localhost/environments:2: there is no such image (404): correct the "+
		"name and the tag, or push the image first")
	must(0, os.WriteFile(l.path(indexFile), []byte("{"), 0o600))
	_, err = models.Register(t.Context(), "sentiment", file, image.ModelInfo{})
	equal(t, "a broken index", err, "cannot list the tags in layout.localhost/models/sentiment: image layout "+
		l.Folder()+": index.json is broken: unexpected end of JSON input: mend the file, or move the folder away to begin "+
		"with an empty one")
	must(0, os.RemoveAll(l.Folder()))
	must(0, os.WriteFile(l.Folder(), nil, 0o600))
	_, err = models.Register(t.Context(), "sentiment", file, image.ModelInfo{})
	equal(t, "no folder", err, "cannot list the tags in layout.localhost/models/sentiment: image layout "+
		l.Folder()+": it cannot be read: not a directory: look at the folder, or name another one with AML_LAYOUT")
}
