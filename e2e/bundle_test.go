// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// The script of the example deploys in one namespace, and in another one from
// another place in the registry, with nothing but the file in between.
func TestAnEndpointGoesElsewhereInOneFile(t *testing.T) {
	t.Parallel()
	here, site := newSpace(t), newSpace(t)
	registry, own := os.Getenv(registryVar)+"/"+site.namespace, os.Getenv(registryVar)+"/"+here.namespace
	packages := listFor(t, own)
	folder := filepath.Join(t.TempDir(), "bundle")
	must(t, os.CopyFS(folder, os.DirFS("../examples/bundle")))
	c := exec.CommandContext(t.Context(), "sh", "bundle.sh")
	c.Dir = folder
	c.Env = append(os.Environ(), kubeconfigVar+"="+here.kubeconfig, "HOME="+t.TempDir(),
		"PATH="+kubectlWithPlugin(t)+string(os.PathListSeparator)+os.Getenv("PATH"),
		registryVar+"="+own, "SITE_REGISTRY="+registry, "SITE_KUBECONFIG="+site.kubeconfig)
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	answer := `{"model": "sky", "letters": 10}`
	if strings.Count(out.String(), answer) != 2 {
		t.Errorf("it did not answer %s here and there:\n%s\n%s", answer, &out, &talk)
	}
	site.runsFrom(registry)
	listed, err := os.ReadFile(filepath.Join(folder, "there.cdx.json"))
	must(t, err)
	if string(listed) != packages {
		t.Errorf("the packages at the site are\n%s", listed)
	}
	if left := here.objects(); len(left) > 0 {
		t.Errorf("the script left %v", left)
	}
	secrets, err := site.admin.CoreV1().Secrets(site.namespace).Get(t.Context(), "moods-keys", metav1.GetOptions{})
	must(t, err)
	for what, secret := range secrets.Data {
		lacks(t, filepath.Join(folder, "moods.aml.tar"), what, secret)
	}
	lacks(t, filepath.Join(folder, "moods.aml.tar"), "name of a secret", []byte("moods-keys"))
	rendered := site.helm("template", "moods", "oci://"+registry+"/inference", "--plain-http", "--kube-version", "1.37.0",
		"-f", filepath.Join(folder, "values.yaml"))
	if strings.Count(rendered, "image: \""+registry+"/") < 3 || strings.Contains(rendered, "docker.io") {
		t.Errorf("helm renders\n%s", rendered)
	}
}

// listFor attaches a list of packages to the environment of the images that a
// registry gets, and returns it.
func listFor(t *testing.T, registry string) string {
	t.Helper()
	text := `{"bomFormat": "CycloneDX", "of": "` + registry + `"}`
	ref, err := name.ParseReference(os.Getenv("AML_ENVIRONMENT_IMAGE"))
	must(t, err)
	environment, err := remote.Image(ref, remote.WithContext(t.Context()))
	must(t, err)
	subject, err := partial.Descriptor(environment)
	must(t, err)
	const kind = types.MediaType("application/vnd.cyclonedx+json")
	list, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind),
		static.NewLayer([]byte(text), kind))
	must(t, err)
	attached, ok := mutate.Subject(list, *subject).(v1.Image)
	if !ok {
		t.Fatal("what is attached is no image")
	}
	digest, err := attached.Digest()
	must(t, err)
	at, err := name.NewDigest(registry + "/environments@" + digest.String())
	must(t, err)
	must(t, remote.Write(at, attached, remote.WithContext(t.Context())))
	return text
}

// runsFrom fails unless all pods run images of a place by digest.
func (s *space) runsFrom(place string) {
	s.t.Helper()
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	must(s.t, err)
	count := 0
	for _, p := range pods.Items {
		for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
			count++
			if !strings.HasPrefix(c.Image, place+"/") || !strings.Contains(c.Image, "@sha256:") {
				s.t.Errorf("pod %s runs %s", p.Name, c.Image)
			}
		}
	}
	if count < 3 {
		s.t.Errorf("%d containers", count)
	}
}

// lacks fails if a text is in a bundle: in the file as it is, or in what of it is
// compressed, down to the code.
func lacks(t *testing.T, file, what string, text []byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	if bytes.Contains(raw, text) {
		t.Errorf("the file has the %s", what)
	}
	for archive := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		if h.Size > 1<<20 { // of images that were there before any key
			continue
		}
		if r, err := gzip.NewReader(archive); err == nil {
			unpacked, err := io.ReadAll(r)
			must(t, err)
			if bytes.Contains(unpacked, text) {
				t.Errorf("%s has the %s", h.Name, what)
			}
		}
	}
}

// On kind no registry is needed, also where the same endpoint came through one: the
// kubelet has pulled all of its images, under other names.
func TestABundleIsLoadedIntoNodes(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	own := os.Getenv(registryVar) + "/" + s.namespace
	packages := listFor(t, own)
	s.env = []string{registryVar + "=" + own}
	file := filepath.Join(t.TempDir(), "echo.tar")
	s.echo("blue", s.namespace)
	s.ok("bundle", "create", "echo", "--file", file)
	s.ok("delete", "endpoint", "echo")
	s.env = []string{registryVar + "=", "AML_LAYOUT=" + filepath.Join(t.TempDir(), "images")}
	s.ok("bundle", "load", file, "moved")
	if got := s.ok("invoke", "moved", "-d", "{}").out; !strings.Contains(got, s.namespace) {
		t.Errorf("answered %s", got)
	}
	s.runsFrom(layout.Host)
	if got := s.ok("sbom", "moved").out; got != packages {
		t.Errorf("the packages are\n%s", got)
	}
}
