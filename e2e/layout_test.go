// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// With no registry named, environments, models and images are in a folder, and
// the nodes get the images from there. The example runs as it stands, but for its
// base. After it, a change of the code sends no layer that the nodes have, also not
// for a model that is mounted then.
func TestNoRegistryIsNeededOnKind(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	images := filepath.Join(t.TempDir(), "images")
	s.env = []string{registryVar + "=", environmentVar + "=", "AML_LAYOUT=" + images}
	folder := s.environmentExample(images)
	script := filepath.Join(folder, "score.py")
	code, err := os.ReadFile(script)
	must(t, err)
	better := "better in " + s.namespace // the nodes may have what an earlier run deployed
	must(t, os.WriteFile(script, bytes.Replace(code, []byte(`{"good"`), []byte(`{"`+better+`"`), 1), 0o600))
	r := s.ok("deploy", "words", "-m", "words:1", "--model-mount", "volume", "--relative-to-file",
		"--inference-config", filepath.Join(folder, "inferenceconfig.json"))
	if !strings.Contains(r.err, "(0.0 MB in ") || !strings.Contains(r.err, "(3 blobs sent, ") {
		t.Errorf("a change of the code sent more than that:\n%s", r.err)
	}
	if got := s.ok("invoke", "words", "-d", `{"text": "a fine day"}`).out; got != `{"`+better+`": 1}`+"\n" {
		t.Errorf("answered %s", got)
	}

	refused := s.run("model", "delete", "words:1")
	if refused.code != 1 || !strings.Contains(refused.err, "model words:1 is run by version main") {
		t.Errorf("delete of a model in use: exit code %d: %s", refused.code, refused.err)
	}
	s.prunes(images, 0) // that of the model is in use, too
	s.ok("delete", "endpoint", "words")
	s.prunes(images, 3) // one of them is the model
	s.ok("model", "delete", "words:1")
	if got := s.ok("model", "list", "--query", "[].id", "-o", "tsv").out; strings.TrimSpace(got) != "" {
		t.Errorf("left: %s", got)
	}
}

// environmentExample runs the example with the images in a folder, and returns
// the example's own.
func (s *space) environmentExample(images string) string {
	s.t.Helper()
	folder := filepath.Join(s.t.TempDir(), "environment")
	must(s.t, os.CopyFS(folder, os.DirFS("../examples/environment")))
	put := func(file, text string) {
		s.t.Helper()
		must(s.t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
	}
	config, err := os.ReadFile(filepath.Join(folder, "inferenceconfig.json"))
	must(s.t, err)
	put("inferenceconfig.json", strings.Replace(string(config), publishedPython, pythonImage(s.t), 1))
	put("pip.conf", "[global]\nindex-url = "+indexURL(s.t)+"\n")

	c := exec.CommandContext(s.t.Context(), "sh", "environment.sh", "--pip-config", "pip.conf", "--build-ca", certificates)
	c.Dir = folder
	c.Env = append(append(os.Environ(), kubeconfigVar+"="+s.kubeconfig, "HOME="+s.t.TempDir(),
		"PATH="+kubectlWithPlugin(s.t)+string(os.PathListSeparator)+os.Getenv("PATH")), s.env...)
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		s.t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	_, rest, _ := strings.Cut(out.String(), "USER 10001\n") // the Dockerfile
	lines := strings.Split(rest, "\n")
	image := lines[max(0, len(lines)-3)]
	if want := []string{lines[0], "words:1", "endpoint/words created", `{"good": 1}`, "endpoint/words unchanged", image,
		filepath.Join(folder, "context"), ""}; strings.Join(lines, "\n") != strings.Join(want, "\n") ||
		!strings.HasPrefix(lines[0], "layout.localhost/environments@sha256:") {
		s.t.Errorf("the script answered\n%s\nwant\n%s", &out, strings.Join(want, "\n"))
	}
	if !strings.HasPrefix(image, "layout.localhost/words@sha256:") || strings.Count(talk.String(), "image: "+image) != 3 {
		s.t.Errorf("the image is %s, not that of all three:\n%s", image, &talk)
	}
	for _, want := range []string{"models are in " + images, "images are in " + images, "nodes of kind cluster",
		"begins with an image in " + images + ", which docker build does not find"} {
		if !strings.Contains(talk.String(), want) {
			s.t.Errorf("the script does not say %q:\n%s", want, &talk)
		}
	}
	if built := strings.Count(talk.String(), "building it with "); built != 1 {
		s.t.Errorf("the environment was built %d times", built)
	}
	s.packed(folder)
	return folder
}

// packed looks at what the example leaves in its folder.
func (s *space) packed(folder string) {
	s.t.Helper()
	for file, want := range map[string]string{
		"words.cdx.json": `"azureml-inference-server-http"`, "context/Dockerfile": "FROM layout.localhost/environments@sha256:",
		"context/azureml-app/score.py": "def run(data)", "context/azureml-models/words/1/words.txt": "fine",
	} {
		got, err := os.ReadFile(filepath.Join(folder, file))
		must(s.t, err)
		if !strings.Contains(string(got), want) {
			s.t.Errorf("%s has no %s:\n%s", file, want, got)
		}
	}
}

// prunes makes the folder's files a year old and prunes it, as somebody who may see
// the endpoints of all namespaces.
func (s *space) prunes(folder string, want int) {
	s.t.Helper()
	then := time.Now().AddDate(-1, 0, 0)
	must(s.t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	}))
	refused := s.run("prune")
	if refused.code != 1 || !strings.Contains(refused.err, "which images endpoints have cannot be found out: ") {
		s.t.Errorf("prune by who may see one namespace: exit code %d: %s", refused.code, refused.err)
	}
	c := s.command(s.t.Context(), "prune")
	c.Env = append(c.Env, kubeconfigVar+"="+os.Getenv(kubeconfigVar))
	out, err := c.Output()
	if got := strings.Count(string(out), "layout.localhost/words@sha256:"); err != nil || got != want {
		s.t.Errorf("pruned %d images, want %d: %v\n%s", got, want, err, out)
	}
}

// An image that a kubelet has pulled is loaded into its node all the same, and one
// that was loaded is pulled: each runs under its own name, in whatever order. So
// does the limiter's, which other tests have from the registry.
func TestAnImageIsPulledAndLoaded(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder := filepath.Join(t.TempDir(), "images")
	limiter := copied(t, "AML_LIMITER_IMAGE", folder)
	images := map[string]string{} // by digest
	deploy := func(version, registry string) {
		t.Helper()
		s.env = []string{"AML_LAYOUT=" + folder, "AML_LIMITER_IMAGE=" + limiter, registryVar + "=" + registry}
		said := s.echo(version, s.namespace)
		image := regexp.MustCompile(`image: (\S+)@(sha256:\S+) \(`).FindStringSubmatch(said.err)
		if image == nil {
			t.Fatalf("deploy names no image:\n%s", said.err)
		}
		images[image[2]] += image[1] + "\n"
	}
	deploy("loaded", "")
	deploy("pulled", os.Getenv(registryVar))
	s.ok("restart", "echo", "--version-name", "loaded")
	deploy("again", layout.Host+"/again")
	if want := fmt.Sprintf("%[1]s/echo\n%s/echo\n%[1]s/again/echo\n", layout.Host, os.Getenv(registryVar)); len(images) != 1 ||
		!slices.Contains(slices.Collect(maps.Values(images)), want) {
		t.Errorf("it is not one image: %v", images)
	}
	for _, version := range []string{"loaded", "pulled", "again"} {
		if got := s.ok("invoke", "echo", "--version", version, "-d", "{}").out; !strings.Contains(got, s.namespace) {
			t.Errorf("version %s answered %s", version, got)
		}
	}
}

// copied is an image of the registry, as it is, in a folder.
func copied(t *testing.T, image, folder string) string {
	t.Helper()
	l, err := layout.Open(folder)
	must(t, err)
	from, err := name.ParseReference(os.Getenv(image))
	must(t, err)
	img, err := remote.Image(from, remote.WithContext(t.Context()))
	must(t, err)
	digest, err := img.Digest()
	must(t, err)
	to, err := name.NewDigest(layout.Host + "/" + strings.ToLower(image) + "@" + digest.String())
	must(t, err)
	must(t, remote.Write(to, img, remote.WithTransport(l.Transport(http.DefaultTransport))))
	return to.Name()
}
