// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/file"
	"oras.land/oras-go/v2/registry/remote"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	v1remote "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
)

// folderOf are the files of an environment; the definition has the version.
func folderOf(name string) func(version int) (map[string][]byte, error) {
	return func(version int) (map[string][]byte, error) {
		return map[string][]byte{"conda_dependencies.yml": []byte("dependencies: [python=3.11]\n"),
			"azureml_environment.json": fmt.Appendf(nil, `{"name": %q, "version": "%d"}`, name, version)}, nil
	}
}

func define(t *testing.T, d Definitions, name string) Definition {
	t.Helper()
	made, err := d.Register(t.Context(), name, 0, folderOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestADefinitionIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	reg, models, _ := shop(t)
	d := Definitions(models)
	d.Options.Clock = clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	made := define(t, d, "Sky")
	got := strings.ReplaceAll(string(must(json.Marshal(made))), reg.host, "HOST")
	digest := made.URL[strings.Index(made.URL, "@")+1:]
	equal(t, "in JSON", strings.ReplaceAll(got, digest, "DIGEST"), `{"id":"Sky:1","name":"Sky","version":1,`+
		`"createdTime":"2026-03-01T12:00:00Z","url":"oci://HOST/ml/environments/sky-`+
		repositoryName("Sky")[4:]+`@DIGEST"}`)
	found := must(d.Find(t.Context(), "Sky", 1))
	equal(t, "found", found, made)
	equal(t, "the highest", must(d.Find(t.Context(), "Sky", 0)), made)
	files := must(d.Files(t.Context(), found))
	equal(t, "files", len(files), 2)
	equal(t, "definition", string(files["azureml_environment.json"]), `{"name": "Sky", "version": "1"}`)
	equal(t, "packages", string(files["conda_dependencies.yml"]), "dependencies: [python=3.11]\n")
}

// Other tools write the folder, too.
func TestADefinitionIsPulledByOthers(t *testing.T) {
	t.Parallel()
	_, models, _ := shop(t)
	define(t, Definitions(models), "sky")
	repo := must(remote.NewRepository(models.Registry + "/environments/sky"))
	repo.PlainHTTP = true
	dir := t.TempDir()
	into := must(file.New(dir))
	must(oras.Copy(t.Context(), repo, "1", into, "1", oras.DefaultCopyOptions))
	must(0, into.Close())
	equal(t, "definition", string(must(os.ReadFile(filepath.Join(dir, "azureml_environment.json")))),
		`{"name": "sky", "version": "1"}`)
	equal(t, "packages", string(must(os.ReadFile(filepath.Join(dir, "conda_dependencies.yml")))),
		"dependencies: [python=3.11]\n")
}

func TestVersionsOfDefinitionsAreCounted(t *testing.T) {
	t.Parallel()
	reg, models, _ := shop(t)
	d := Definitions(models)
	for _, step := range []struct{ wanted, want int }{{0, 1}, {7, 7}, {0, 8}, {3, 3}, {7, 9}, {0, 10},
		{2020113001, 11}} {
		made := must(d.Register(t.Context(), "sky", step.wanted, folderOf("sky")))
		equal(t, fmt.Sprintf("wanted %d", step.wanted), made.Version, step.want)
	}
	define(t, d, "rain")
	for name, want := range map[string]string{"": "[rain:1 sky:1 sky:3 sky:7 sky:8 sky:9 sky:10 sky:11]", "rain": "[rain:1]", "hail": "[]"} {
		ids := []string{}
		for _, found := range must(d.List(t.Context(), name)) {
			ids = append(ids, found.ID)
		}
		equal(t, "list "+name, ids, want)
	}
	_, err := d.Find(t.Context(), "sky", 2)
	equal(t, "a version", err, "environment sky:2 is not registered in "+reg.host+
		"/ml: there are the versions 1, 3, 7, 8, 9, 10, 11")
	_, err = d.Find(t.Context(), "hail", 0)
	equal(t, "a name", err, `no environment "hail" is registered in `+reg.host+"/ml")
	must(d.Register(t.Context(), "last", HighestVersion, folderOf("last")))
	_, err = d.Register(t.Context(), "last", 0, folderOf("last"))
	equal(t, "the last", err, "cannot register last: version 999999999 is there, and none is above it: take another name, "+
		"or a version that is free")
	equal(t, "a free one", must(d.Register(t.Context(), "last", 3, folderOf("last"))).Version, 3)
}

func TestManyDefineAtOnce(t *testing.T) {
	t.Parallel()
	reg, models, _ := shop(t)
	d := Definitions(models)
	reg.fail(func(http.ResponseWriter, *http.Request) bool { shuffle(); return false })
	numbers := together(t, 10, func(ctx context.Context, i int) (int, error) {
		made, err := d.Register(ctx, "sky", i%2, folderOf("sky"))
		return made.Version, err
	})
	slices.Sort(numbers)
	equal(t, "numbers", len(slices.Compact(numbers)), 10)
	for _, found := range must(d.List(t.Context(), "sky")) {
		files := must(d.Files(t.Context(), found))
		equal(t, found.ID, string(files["azureml_environment.json"]), fmt.Sprintf(`{"name": "sky", "version": "%d"}`, found.Version))
	}
}

// What is in the repository beside them is nobody's environment, and images of
// environments stay what they are.
func TestDefinitionsAmongOthers(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	d := Definitions(models)
	define(t, d, "sky")
	model := register(t, models, "sky", filepath.Join(dir, "model.pkl"))
	artifact := must(v1remote.Get(model.tag(t)))
	c := must(d.catalogue("sky"))
	must(0, v1remote.Push(c.repo.Tag("5"), must(artifact.Image())))
	_, err := d.Find(t.Context(), "sky", 5)
	equal(t, "a model", err, reg.host+"/ml/environments/sky:5 is no registered environment: it was not made by environment register")
	equal(t, "list", len(must(d.List(t.Context(), "sky"))), 1)
	equal(t, "the next", define(t, d, "sky").Version, 6)
}

// What a manifest says of the length of a file is not believed.
func TestALongFileOfOthersIsNotRead(t *testing.T) {
	t.Parallel()
	_, models, _ := shop(t)
	d := Definitions(models)
	c := must(d.catalogue("sky"))
	long := static.NewLayer(make([]byte, longestFile+1), definitionFile)
	must(0, v1remote.WriteLayer(c.repo, long))
	a := must(newArtifact(definitionArtifact, []byte(emptyContent), emptyConfig, []v1.Descriptor{{MediaType: definitionFile,
		Size: 1, Digest: must(long.Digest()), Annotations: map[string]string{fileTitle: "BaseDockerfile"}}},
		map[string]string{definitionKey: `{"name": "sky", "version": 1}`}))
	must(c.putAlone(t.Context(), "1", a))
	found := must(d.Find(t.Context(), "sky", 1))
	_, err := d.Files(t.Context(), found)
	equal(t, "a long file", err, found.URL+": a file has more than 1 MiB: it was not made by environment register")
}

func TestWhatIsRefusedOfDefinitions(t *testing.T) {
	t.Parallel()
	reg, models, _ := shop(t)
	d := Definitions(models)
	long := func(int) (map[string][]byte, error) {
		return map[string][]byte{"BaseDockerfile": make([]byte, longestFile+1)}, nil
	}
	_, err := d.Register(t.Context(), "sky", 0, long)
	equal(t, "too long", err, "BaseDockerfile has more than 1 MiB: leave out what does not belong there")
	_, err = d.Register(t.Context(), "a b", 0, long)
	equal(t, "a name", err, `environment name "a b" is not valid: write up to 255 letters, digits, -, . and _, `+
		"not beginning with a sign")
	reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
		refuses := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/1")
		if refuses {
			w.WriteHeader(http.StatusForbidden)
		}
		return refuses
	})
	_, err = d.Register(t.Context(), "sky", 0, folderOf("sky"))
	equal(t, "forbidden", err, "cannot push to "+reg.host+"/ml/environments/sky: the login does not allow it (403): "+
		`ask for the right to it, or log in as somebody else with "docker login `+reg.host+`"`)
	reg.fail(nil)
	equal(t, "after it", define(t, d, "sky").Version, 1)
}
