// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// list attaches a list of packages to an image that is, or is not, in a repository.
func (w *world) list(repository string, subject v1.Descriptor, text string) {
	w.t.Helper()
	courier, err := image.NewCourier(w.t.Context(), image.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	blob := func(what string, kind types.MediaType) v1.Descriptor {
		digest, size, err := v1.SHA256(strings.NewReader(what))
		if err == nil {
			_, err = courier.Upload(w.t.Context(), repository, digest, size, func() (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(what)), nil
			})
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return v1.Descriptor{MediaType: kind, Digest: digest, Size: size}
	}
	raw, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Subject: &subject,
		ArtifactType: string(image.SBOMType), Config: blob("{}", "application/vnd.oci.empty.v1+json"),
		Layers: []v1.Descriptor{blob(text, image.SBOMType)}})
	if err == nil {
		err = courier.Put(w.t.Context(), repository, "", types.OCIManifestSchema1, raw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// manifest is that of an image in a registry.
func (w *world) manifest(ref string) v1.Descriptor {
	w.t.Helper()
	courier, err := image.NewCourier(w.t.Context(), image.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := courier.Manifest(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return v1.Descriptor{MediaType: m.Type, Digest: m.Digest, Size: int64(len(m.Raw))}
}

// What "sbom" prints where a bundle is made it prints where the bundle is loaded.
func TestABundleHasTheListsOfPackages(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	const list = "{\"bomFormat\": \"CycloneDX\", \"is\": \"attached\"}\n"
	w.list(w.registry+"/environments", w.manifest(w.registry+"/environment:1"), list)
	here := w.fine(w.run("sbom", "diabetes"))
	if here.out != list {
		t.Fatalf("here it is %s", here.out)
	}
	r := w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	if !strings.Contains(r.err, "note: no list of packages is attached to REGISTRY/envoy@DIGEST, REGISTRY/haproxy@DIGEST: ") {
		t.Errorf("told %s", r.err)
	}
	w.elsewhere()
	for again, sent := range []string{"(10 blobs sent, ", "(0 blobs sent, "} {
		r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--wait=false"))
		if !strings.Contains(r.err, sent) || !strings.Contains(r.err, "bundle: lists of packages attached: 1\n") {
			t.Errorf("load %d told %s", again+1, r.err)
		}
	}
	if there := w.fine(w.run("sbom", "diabetes")); there.out != list || there.err != "" {
		t.Errorf("there it is %s%s", there.out, there.err)
	}
}

func TestTheListsInABundleAreShown(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	if r := w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", "json")); strings.Count(r.out, `"sboms": []`) != 3 {
		t.Errorf("without a list:\n%s", r.out)
	}
	router := w.manifest(w.registry + "/envoy:1")
	w.list(w.registry+"/envoy", router, "packages")
	w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	var shown struct {
		Images []struct {
			Reference string
			SBOMs     []struct {
				Reference, Subject string
				Size               int
			}
		}
	}
	if err := json.Unmarshal([]byte(w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", "json")).out), &shown); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range shown.Images {
		names = append(names, i.Reference)
		if i.Reference != w.registry+"/envoy@"+router.Digest.String() {
			continue
		}
		if len(i.SBOMs) != 1 || i.SBOMs[0].Size != len("packages") || i.SBOMs[0].Subject != router.Digest.String() {
			t.Fatalf("the list is %+v", i.SBOMs)
		}
		_, hex, _ := strings.Cut(i.SBOMs[0].Reference, w.registry+"/envoy@sha256:")
		for format, want := range map[string]string{"wide": "sha256:" + hex + "   ", "": "   " + hex[:12] + "\n"} {
			if got := w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", format)).out; !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
	}
	if got := strings.Fields(w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", "name")).out); !slices.Equal(got, names) ||
		len(names) != 3 {
		t.Errorf("the names are %q, not %q", got, names)
	}
	var pushed struct{ SBOMs []string }
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--push-only", "-o", "json"))
	if err := json.Unmarshal([]byte(r.out), &pushed); err != nil || len(pushed.SBOMs) != 1 ||
		!strings.HasPrefix(pushed.SBOMs[0], site+"/ml/envoy@sha256:") {
		t.Errorf("pushed %v, %v", pushed.SBOMs, err)
	}
}

// An endpoint is as good without lists: a registry that takes none is told.
func TestAnEndpointIsLoadedWhereNoListsAreTaken(t *testing.T) {
	t.Parallel()
	w, _ := packed(t)
	w.list(w.registry+"/envoy", w.manifest(w.registry+"/envoy:1"), "packages")
	w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	inner := registry.New(registry.Logger(quiet()))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			text, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(text, []byte(`"subject"`)) {
				rw.WriteHeader(http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
		}
		inner.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.elsewhere()
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", strings.TrimPrefix(server.URL, "http://"), "--wait=false"))
	if !strings.Contains(r.err, "warning: a list of packages is not attached to its image: ") || r.out != "endpoint/diabetes created\n" {
		t.Errorf("told %s%s", r.out, r.err)
	}
}

// What is attached and is no list stays behind, which is told.
func TestWhatIsNoListStaysBehind(t *testing.T) {
	t.Parallel()
	w, _ := packed(t)
	router := w.manifest(w.registry + "/envoy:1")
	courier, err := image.NewCourier(t.Context(), image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Subject: &router,
		ArtifactType: string(image.SBOMType), Config: router, Layers: []v1.Descriptor{}})
	if err == nil {
		err = courier.Put(t.Context(), w.registry+"/envoy", "", types.OCIManifestSchema1, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	const want = "warning: the list of packages of REGISTRY/envoy@DIGEST does not come along: what is attached to " +
		"REGISTRY/envoy@DIGEST is no list of packages, it has not the one layer of a list: remove it from the registry\n"
	if !strings.Contains(r.err, want) {
		t.Errorf("told %s, not %s", r.err, want)
	}
}
