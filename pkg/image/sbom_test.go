// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	orascontent "oras.land/oras-go/v2/content"
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// file is one file of a layer: its path and text. A path that ends in "/" is a
// folder, a text that begins with "->" a hard link.
type inLayer struct{ path, text string }

func layerOf(t *testing.T, files ...inLayer) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.path, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.text))}
		if strings.HasSuffix(f.path, "/") {
			h.Typeflag = tar.TypeDir
		}
		if aim, ok := strings.CutPrefix(f.text, "->"); ok {
			h.Typeflag, h.Linkname, h.Size, f.text = tar.TypeLink, aim, 0, ""
		}
		must(0, w.WriteHeader(h))
		must(w.Write([]byte(f.text)))
	}
	must(0, w.Close())
	return must(tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }))
}

func wheel(site, name, version string) inLayer {
	return inLayer{site + name + "-" + version + ".dist-info/METADATA",
		"Metadata-Version: 2.4\nName: " + name + "\nVersion: " + version + "\nLicense-Expression: BSD-3-Clause\n" +
			"Classifier: a\nClassifier: b\n\nName: of the description\nVersion: 9\n"}
}

const (
	site   = "opt/venv/lib/python3.11/site-packages/"
	status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u10\n" +
		"Description: a\n b: c\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n" +
		"Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13.dfsg-1\n"
	osRelease = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"
	condaFile = `{"name": "libblas", "version": "3.9.0", "build": "20_linux64", "subdir": "linux-64",
		"channel": "https://conda.anaconda.org/conda-forge/linux-64", "files": ["lib/libblas.so"]}`
)

func environmentLayers(t *testing.T) []v1.Layer {
	t.Helper()
	return []v1.Layer{
		layerOf(t, inLayer{"usr/lib/os-release", osRelease}, inLayer{"var/lib/dpkg/status", status},
			inLayer{"var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2025b\nArchitecture: all\n"},
			inLayer{"var/lib/dpkg/status.d/tzdata.md5sums", "Package: no\nVersion: 1\n"}),
		layerOf(t, inLayer{site, ""}, wheel(site, "numpy", "1.26.0"), wheel(site, "Scikit_Learn", "1.5.2"),
			wheel(site, "broken", "1"), inLayer{"opt/conda/conda-meta/libblas.json", condaFile},
			inLayer{"opt/conda/conda-meta/history", "x"}, inLayer{"opt/conda/conda-meta/bad.json", "{"}),
		// An upgrade, as a second RUN makes it.
		layerOf(t, inLayer{site + ".wh.numpy-1.26.0.dist-info", ""}, wheel(site, "numpy", "2.1.0"),
			inLayer{"usr/lib/python3/dist-packages/numpy-2.1.0.dist-info/METADATA", "->" + site + "numpy-2.1.0.dist-info/METADATA"},
			inLayer{site + "broken-1.dist-info", "a file now"}),
	}
}

func TestSBOM(t *testing.T) {
	t.Parallel()
	img := must(mutate.AppendLayers(empty.Image, environmentLayers(t)...))
	got := must(SBOM(t.Context(), img, "environments"))
	golden.Assert(t, "testdata/sbom.json", string(got))
	equal(t, "again", bytes.Equal(must(SBOM(t.Context(), img, "environments")), got), true)
	valid(t, got)
}

func purls(t *testing.T, text []byte) []string {
	t.Helper()
	var bom cyclonedx.BOM
	must(0, cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom))
	var out []string
	if bom.Components == nil {
		return nil
	}
	for _, c := range *bom.Components {
		if c.PackageURL != "" {
			out = append(out, c.PackageURL)
		}
	}
	return out
}

func TestSBOMHonoursWhatUpperLayersTakeAway(t *testing.T) {
	t.Parallel()
	a, b := wheel(site, "a", "1"), wheel("usr/lib/python3/dist-packages/", "b", "2")
	for name, c := range map[string]struct {
		upper []inLayer
		want  []string
	}{
		"nothing":                   {nil, []string{"pkg:pypi/a@1", "pkg:pypi/b@2"}},
		"a file":                    {[]inLayer{{strings.Replace(a.path, "METADATA", ".wh.METADATA", 1), ""}}, []string{"pkg:pypi/b@2"}},
		"a folder far above":        {[]inLayer{{"opt/.wh.venv", ""}}, []string{"pkg:pypi/b@2"}},
		"a folder that was emptied": {[]inLayer{{site + ".wh..wh..opq", ""}}, []string{"pkg:pypi/b@2"}},
		"all of it":                 {[]inLayer{{".wh..wh..opq", ""}}, nil},
		"a folder emptied and filled in one layer": {[]inLayer{wheel(site, "c", "3"), {site + ".wh..wh..opq", ""}},
			[]string{"pkg:pypi/b@2", "pkg:pypi/c@3"}},
		"a folder that became a file":   {[]inLayer{{"opt/venv", "x"}}, []string{"pkg:pypi/b@2"}},
		"a file that became another":    {[]inLayer{{a.path, strings.Replace(a.text, "Version: 1", "Version: 5", 1)}}, []string{"pkg:pypi/a@5", "pkg:pypi/b@2"}},
		"a file that tells nothing now": {[]inLayer{{a.path, ""}}, []string{"pkg:pypi/b@2"}},
		"a path with dots":              {[]inLayer{{"./opt/../opt/.wh.venv", ""}}, []string{"pkg:pypi/b@2"}},
		"what never was":                {[]inLayer{{"opt/.wh.ven", ""}}, []string{"pkg:pypi/a@1", "pkg:pypi/b@2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := must(mutate.AppendLayers(empty.Image, layerOf(t, a, b), layerOf(t, c.upper...)))
			equal(t, "packages", purls(t, must(SBOM(t.Context(), img, "x"))), c.want)
		})
	}
}

func TestSBOMReadsNoModel(t *testing.T) {
	t.Parallel()
	l := layerOf(t, wheel(site, "a", "1"))
	img := must(mutate.Append(empty.Image, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "kubectl-aml model m:1"}},
		mutate.Addendum{Layer: layerOf(t, wheel(site, "b", "2")), History: v1.History{CreatedBy: "RUN pip"}}))
	equal(t, "packages", purls(t, must(SBOM(t.Context(), img, "x"))), []string{"pkg:pypi/b@2"})
}

// schema is CycloneDX's own, as it comes with its library.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir := strings.TrimSpace(string(must(exec.Command("go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/CycloneDX/cyclonedx-go").Output())))
	c := jsonschema.NewCompiler()
	for url, file := range map[string]string{"bom-1.6.schema.json": "bom-1.6.schema.json",
		"spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		doc := must(jsonschema.UnmarshalJSON(bytes.NewReader(must(os.ReadFile(filepath.Join(dir, "schema", file))))))
		must(0, c.AddResource("http://cyclonedx.org/schema/"+url, doc))
	}
	return must(c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json"))
}

func valid(t *testing.T, sbom []byte) {
	t.Helper()
	s := schema(t)
	if err := s.Validate(must(jsonschema.UnmarshalJSON(bytes.NewReader(sbom)))); err != nil {
		t.Errorf("not as the schema has it: %v", err)
	}
	broken := regexp.MustCompile(`"serialNumber": "urn:uuid`).ReplaceAll(sbom, []byte(`"serialNumber": "x`))
	if err := s.Validate(must(jsonschema.UnmarshalJSON(bytes.NewReader(broken)))); err == nil {
		t.Error("the schema takes a serial number that is none")
	}
}

// attachTo attaches the SBOM of an image that is in a registry.
func attachTo(t *testing.T, ref string) string {
	t.Helper()
	img, subject, err := imageOf(t.Context(), ref, options())
	if err != nil {
		t.Fatal(err)
	}
	return must(attach(t.Context(), img, subject, options()))
}

// oras finds what is attached, in a registry that knows of referrers and in one
// that does not.
func TestAnSBOMIsAttachedOnce(t *testing.T) {
	t.Parallel()
	for name, knows := range map[string]bool{"referrers": true, "the fallback tag": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(knows)))
			t.Cleanup(server.Close)
			reg := &testRegistry{host: strings.TrimPrefix(server.URL, "http://")}
			ref := reg.push(t, "environments:1", must(mutate.AppendLayers(empty.Image, environmentLayers(t)...)))
			subject := must(Resolve(t.Context(), ref, options()))
			_, err := AttachedSBOM(t.Context(), ref, options())
			equal(t, "before", err, "no list of packages is attached to "+subject+
				": make one of its layers with kubectl aml sbom "+subject)
			first := attachTo(t, ref)
			equal(t, "again", attachTo(t, subject), first)
			text := must(AttachedSBOM(t.Context(), ref, options()))
			equal(t, "made and attached", string(must(MakeSBOM(t.Context(), ref, options()))) == string(text), true)

			// An image that was built upon it has the same one.
			version := must(Package(t.Context(), Source{Environment: ref}, reg.host+"/diabetes", options()))
			equal(t, "of a version", string(must(AttachedSBOM(t.Context(), version.Reference, options()))) == string(text), true)

			repo := must(orasremote.NewRepository(reg.host + "/environments"))
			repo.PlainHTTP = true
			image := must(repo.Resolve(t.Context(), "1"))
			equal(t, "subject", subject, reg.host+"/environments@"+string(image.Digest))
			var found []ocispec.Descriptor
			must(0, repo.Referrers(t.Context(), image, "", func(d []ocispec.Descriptor) error {
				found = append(found, d...)
				return nil
			}))
			equal(t, "found by oras", len(found), 1)
			equal(t, "reference", first, reg.host+"/environments@"+string(found[0].Digest))
			var m ocispec.Manifest
			must(0, json.Unmarshal(must(orascontent.FetchAll(t.Context(), repo, found[0])), &m))
			equal(t, "manifest", fmt.Sprint(m.ArtifactType, m.Config.MediaType, m.Subject.Digest == image.Digest,
				m.Subject.Size == image.Size, m.Layers[0].MediaType), "application/vnd.cyclonedx+json"+
				"application/vnd.oci.empty.v1+jsontrue trueapplication/vnd.cyclonedx+json")
			equal(t, "read by oras", string(must(orascontent.FetchAll(t.Context(), repo.Blobs(), m.Layers[0]))) == string(text), true)
		})
	}
}

// Where the environment is a global registry's, nothing is beside the image. What the
// registry says about a repository that it does not have keeps nobody from a list.
func TestNoListIsLookedForWhereNoEnvironmentIs(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 401, 403, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			global, reg := newRegistry(t), newRegistry(t)
			ref := global.push(t, "environments:1", must(mutate.AppendLayers(empty.Image, environmentLayers(t)...)))
			attachTo(t, ref)
			version := must(Package(t.Context(), Source{Environment: ref}, reg.host+"/ml/diabetes", options())).Reference
			reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
				refused := status > 0 && strings.HasPrefix(r.URL.Path, "/v2/ml/environments/")
				if refused {
					w.WriteHeader(status)
				}
				return refused
			})
			_, err := AttachedSBOM(t.Context(), version, options())
			equal(t, "error", err, "no list of packages is attached to "+version+
				": make one of its layers with kubectl aml sbom "+version)
			text := string(must(MakeSBOM(t.Context(), version, options())))
			equal(t, "made of the layers", strings.Contains(text, `"pkg:pypi/numpy@2.1.0"`), true)
		})
	}
}

// A layer of a hundred megabytes is not held.
func TestSBOMHoldsNoLayer(t *testing.T) {
	big := largeLayer{128 << 20}
	img := must(mutate.AppendLayers(empty.Image, big))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	equal(t, "packages", purls(t, must(SBOM(t.Context(), img, "x"))), []string{"pkg:pypi/late@1"})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d MB were allocated for a layer of %d MB", grown>>20, big.size>>20)
	}
}

// largeLayer is a file of zeros, and a package behind it.
type largeLayer struct{ size int64 }

func (l largeLayer) Digest() (v1.Hash, error) {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, nil
}
func (l largeLayer) DiffID() (v1.Hash, error) { return l.Digest() }
func (l largeLayer) Size() (int64, error)     { return l.size, nil }
func (l largeLayer) MediaType() (types.MediaType, error) {
	return types.OCIUncompressedLayer, nil
}
func (l largeLayer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

func (l largeLayer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		archive := tar.NewWriter(w)
		_ = archive.WriteHeader(&tar.Header{Name: "big", Typeflag: tar.TypeReg, Size: l.size})
		block := make([]byte, 1<<20)
		for range l.size >> 20 {
			_, _ = archive.Write(block)
		}
		late := wheel(site, "late", "1")
		_ = archive.WriteHeader(&tar.Header{Name: late.path, Typeflag: tar.TypeReg, Size: int64(len(late.text))})
		_, _ = archive.Write([]byte(late.text))
		_ = w.CloseWithError(archive.Close())
	}()
	return r, nil
}
