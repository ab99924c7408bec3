// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// testRegistry is a registry in this process that can be told to fail.
type testRegistry struct {
	host string

	mu       sync.Mutex
	requests []string
	// answer, when it returns true, answers instead of the registry.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func newRegistry(t *testing.T) *testRegistry {
	t.Helper()
	reg := &testRegistry{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.mu.Lock()
		reg.requests = append(reg.requests, r.Method+" "+r.URL.Path)
		answer := reg.answer
		reg.mu.Unlock()
		if answer == nil || !answer(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	reg.host = strings.TrimPrefix(server.URL, "http://")
	return reg
}

func (r *testRegistry) fail(answer func(w http.ResponseWriter, r *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// uploads counts the uploads begun since the last call.
func (r *testRegistry) uploads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, q := range r.requests {
		if strings.HasPrefix(q, "PATCH ") {
			n++
		}
	}
	r.requests = nil
	return n
}

// environment pushes a base image of two layers.
func (r *testRegistry) environment(t *testing.T) string {
	t.Helper()
	return r.push(t, "environments/sklearn:1", must(random.Image(1000, 2)))
}

func (r *testRegistry) push(t *testing.T, path string, img v1.Image) string {
	t.Helper()
	file := must(img.ConfigFile()).DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config.Env = []string{"PATH=/opt/venv/bin", "AZUREML_MODEL_DIR=old"}
	file.Config.Entrypoint = []string{"/usr/bin/tini", "--"}
	img = must(mutate.ConfigFile(img, file))
	ref := r.host + "/" + path
	if err := remote.Write(must(name.ParseReference(ref)), img); err != nil {
		t.Fatal(err)
	}
	r.uploads()
	return ref
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) //nolint:forbidigo // only what a test sets up; the trace names the line
	}
	return v
}

func options() Options {
	return Options{Keychain: authn.NewMultiKeychain(),
		backoff: &remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 2}}
}

// write makes a folder of files; a name that ends in "/" is a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		full := filepath.Join(dir, file)
		if strings.HasSuffix(file, "/") {
			must(0, os.MkdirAll(full, 0o700))
			continue
		}
		must(0, os.MkdirAll(filepath.Dir(full), 0o700))
		must(0, os.WriteFile(full, []byte(text), 0o600))
	}
	return dir
}

func project(t *testing.T) (dir string, src Source) {
	t.Helper()
	dir = write(t, map[string]string{
		"src/score.py": "def run(data): return data", "src/lib/a.py": "A = 1", "src/empty/": "",
		"src/__pycache__/score.pyc": "x", "models/model.pkl": "weights", "models/bert/config.json": "{}",
	})
	return dir, Source{
		Code: amlv1.Code{Directory: filepath.Join(dir, "src"), Script: filepath.Join(dir, "src/score.py"),
			EntryScript: "src/score.py", SourceDirectory: "src"},
		Models: []Model{{"sentiment", 1, filepath.Join(dir, "models/model.pkl")}},
	}
}

// files lists what the layers above the environment hold.
func files(t *testing.T, image Image) []string {
	t.Helper()
	img := must(remote.Image(must(name.ParseReference(image.Reference))))
	layers := must(img.Layers())
	var out []string
	for _, l := range layers[len(layers)-len(image.Layers):] {
		r := must(l.Uncompressed())
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(fixedTime()) {
				t.Errorf("%s: owner %d:%d %q, time %s", h.Name, h.Uid, h.Gid, h.Uname, h.ModTime)
			}
			line := fmt.Sprintf("%o %s", h.Mode, h.Name)
			if h.Linkname != "" {
				line += " -> " + h.Linkname
			}
			out = append(out, line)
		}
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func TestPackage(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	_, src := project(t)
	src.Environment = reg.environment(t)

	got, err := Package(t.Context(), src, reg.host+"/endpoints/sentiment", options())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Reference, reg.host+"/endpoints/sentiment@sha256:") {
		t.Errorf("reference %s", got.Reference)
	}
	equal(t, "variables", []string{got.EntryScript, got.SourceDirectory, got.ModelDir},
		[]string{"src/score.py", "src", "/var/azureml-app/azureml-models/sentiment/1"})
	equal(t, "files", strings.Join(files(t, got), "\n"), strings.Join([]string{
		"755 var/",
		"755 var/azureml-app/",
		"755 var/azureml-app/azureml-models/",
		"755 var/azureml-app/azureml-models/sentiment/",
		"755 var/azureml-app/azureml-models/sentiment/1/",
		"644 var/azureml-app/azureml-models/sentiment/1/model.pkl",
		"755 var/",
		"755 var/azureml-app/",
		"755 var/azureml-app/src/",
		"755 var/azureml-app/src/empty/",
		"755 var/azureml-app/src/lib/",
		"644 var/azureml-app/src/lib/a.py",
		"644 var/azureml-app/src/score.py",
	}, "\n"))
	config := must(must(remote.Image(must(name.ParseReference(got.Reference)))).ConfigFile()).Config
	equal(t, "environment variables", config.Env, []string{"PATH=/opt/venv/bin", "AML_APP_ROOT=/var/azureml-app",
		"AZUREML_ENTRY_SCRIPT=src/score.py", "AZUREML_SOURCE_DIRECTORY=src",
		"AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/sentiment/1"})
	equal(t, "working directory", config.WorkingDir, "/var/azureml-app")
	equal(t, "command", slices.Concat(config.Entrypoint, config.Cmd),
		[]string{"python", "-m", "azureml_inference_server_http", "--entry_script", "src/score.py"})
	equal(t, "ports", config.ExposedPorts, map[string]struct{}{"5001/tcp": {}})
	equal(t, "base", config.Labels["org.opencontainers.image.base.digest"],
		got.Environment[strings.Index(got.Environment, "@")+1:])
}

func TestDescribeTellsWhatPackageWouldPushAndSendsNothing(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	_, src := project(t)
	src.Environment = reg.environment(t)
	reg.uploads()
	told := must(Describe(t.Context(), src, reg.host+"/endpoints/sentiment", options()))
	if sent := reg.uploads(); sent > 0 {
		t.Errorf("%d uploads", sent)
	}
	made := must(Package(t.Context(), src, reg.host+"/endpoints/sentiment", options()))
	equal(t, "reference", told.Reference, made.Reference)
	equal(t, "variables", []string{told.EntryScript, told.SourceDirectory, told.ModelDir},
		[]string{made.EntryScript, made.SourceDirectory, made.ModelDir})
	equal(t, "models", told.Models, made.Models)
}

func TestPackageSendsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment = reg.environment(t)
	pack := func(what string, uploads int, uploaded []bool) Image {
		t.Helper()
		got, err := Package(t.Context(), src, reg.host+"/endpoints/sentiment", options())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, what+": uploads seen by the registry", reg.uploads(), uploads)
		equal(t, what+": uploads told", got.Uploaded, uploads)
		var layers []bool
		for _, l := range got.Layers {
			layers = append(layers, l.Uploaded)
		}
		equal(t, what+": layers uploaded", layers, uploaded)
		return got
	}
	// The layers of the environment are in the same registry and are mounted.
	first := pack("first", 3, []bool{true, true})
	second := pack("same again", 0, []bool{false, false})
	equal(t, "digest of the same again", second.Reference, first.Reference)

	must(0, os.WriteFile(filepath.Join(dir, "src/score.py"), []byte("def run(data): return 1"), 0o600))
	pack("new code", 2, []bool{false, true})
	must(0, os.WriteFile(filepath.Join(dir, "models/model.pkl"), []byte("other weights"), 0o600))
	pack("new model", 2, []bool{true, false})
}

func TestPackageIsReproducible(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	environment := reg.environment(t)
	var digests []string
	for i := range 3 {
		dir, src := project(t)
		src.Environment = environment
		src.Models = append(src.Models, Model{"bert", 2, filepath.Join(dir, "models/bert")})
		if i == 1 {
			slices.Reverse(src.Models)
		}
		when := time.Unix(int64(1_000_000*i), 0)
		must(0, filepath.WalkDir(dir, func(full string, _ fs.DirEntry, _ error) error {
			return os.Chtimes(full, when, when)
		}))
		must(0, os.Chmod(filepath.Join(dir, "src/score.py"), fs.FileMode(0o600+0o11*i&0o66)))
		got, err := Package(t.Context(), src, reg.host+"/endpoints/sentiment", options())
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, got.Reference)
		equal(t, "model dir of two models", got.ModelDir, "/var/azureml-app/azureml-models")
	}
	if digests[0] != digests[1] || digests[0] != digests[2] {
		t.Errorf("digests differ: %v", digests)
	}
}

func TestPackageFollowsTheTypesOfTheBase(t *testing.T) {
	t.Parallel()
	for base, want := range map[types.MediaType][]types.MediaType{
		types.DockerManifestSchema2: {types.DockerUncompressedLayer, types.DockerUncompressedLayer},
		types.OCIManifestSchema1:    {types.OCIUncompressedLayer, types.OCIUncompressedLayer},
	} {
		t.Run(string(base), func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			_, src := project(t)
			src.Environment = reg.push(t, "env:1", mutate.MediaType(empty.Image, base))
			got, err := Package(t.Context(), src, reg.host+"/x", options())
			if err != nil {
				t.Fatal(err)
			}
			manifest := must(must(remote.Image(must(name.ParseReference(got.Reference)))).Manifest())
			equal(t, "manifest", manifest.MediaType, base)
			var kinds []types.MediaType
			for _, l := range manifest.Layers {
				kinds = append(kinds, l.MediaType)
			}
			equal(t, "layers", kinds, want)
		})
	}
}

func TestPackageOfAScriptAlone(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, _ := project(t)
	got, err := Package(t.Context(), Source{Environment: reg.environment(t), Code: amlv1.Code{
		Script: filepath.Join(dir, "src/score.py"), EntryScript: "score.py"}}, reg.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", files(t, got), []string{"755 var/", "755 var/azureml-app/", "644 var/azureml-app/score.py"})
	equal(t, "model dir", got.ModelDir, "")
	config := must(must(remote.Image(must(name.ParseReference(got.Reference)))).ConfigFile()).Config
	equal(t, "environment variables", config.Env,
		[]string{"PATH=/opt/venv/bin", "AML_APP_ROOT=/var/azureml-app", "AZUREML_ENTRY_SCRIPT=score.py"})
}

func TestPackageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	_, src := project(t)
	src.Environment = reg.environment(t)
	ctx, cancel := context.WithCancel(t.Context())
	reg.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			cancel()
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}
		return false
	})
	_, err := Package(ctx, src, reg.host+"/x", options())
	equal(t, "error", err, "cannot push to "+reg.host+"/x: "+"context canceled")
}
