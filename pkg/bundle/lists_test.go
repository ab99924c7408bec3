// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// put writes an artifact to a repository, and returns its descriptor.
func (s *shop) put(repository string, m v1.Manifest, blobs ...string) v1.Descriptor {
	s.t.Helper()
	for _, text := range blobs {
		_, d := blobOf([]byte(text), "")
		must(s.courier().Upload(s.t.Context(), repository, d.Digest, d.Size, func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text)), nil
		}))
	}
	m.SchemaVersion, m.MediaType = 2, types.OCIManifestSchema1
	raw := must(json.Marshal(m))
	must(0, s.courier().Put(s.t.Context(), repository, "", m.MediaType, raw))
	_, d := blobOf(raw, m.MediaType)
	return d
}

// listFor is an artifact that refers to an image.
func listFor(s *shop, ref, text string, kind types.MediaType) v1.Manifest {
	m := must(s.courier().Manifest(s.t.Context(), ref))
	_, config := blobOf([]byte("{}"), "application/vnd.oci.empty.v1+json")
	_, layer := blobOf([]byte(text), kind)
	return v1.Manifest{ArtifactType: string(image.SBOMType), Config: config, Layers: []v1.Descriptor{layer},
		Subject: &v1.Descriptor{MediaType: m.Type, Digest: m.Digest, Size: int64(len(m.Raw))}}
}

// attach attaches a list of packages to an image, and returns the artifact.
func (s *shop) attach(ref, text string, notes map[string]string) v1.Descriptor {
	s.t.Helper()
	repository, _, _ := strings.Cut(ref, "@")
	m := listFor(s, ref, text, image.SBOMType)
	m.Annotations = notes
	return s.put(repository, m, "{}", text)
}

// withLists is a registry with a version whose environment has a list of packages, a
// router that somebody else has attached one to, and a limiter without.
func withLists(t *testing.T, opts ...registry.Option) (s *shop, names []string, router v1.Descriptor) {
	t.Helper()
	s = newShop(t, opts...)
	base := forPlatform(t, "linux/amd64")
	environment := s.push("ml/environments:1", base)
	s.attach(environment, "packages of the environment", nil)
	config := must(base.ConfigFile()).Config
	_, digest, _ := strings.Cut(environment, "@")
	config.Labels = map[string]string{"org.opencontainers.image.base.digest": digest}
	names = []string{s.push("ml/diabetes:1", must(mutate.Config(base, config))),
		s.push("envoy/envoy:1", forPlatform(t, "linux/amd64")), s.push("library/haproxy:3", forPlatform(t, "linux/amd64"))}
	router = s.attach(names[1], "packages of the router", map[string]string{"org.opencontainers.image.created": "then"})
	return s, names, router
}

// attachedAt is the list that "kubectl aml sbom" prints.
func attachedAt(t *testing.T, ref string) string {
	t.Helper()
	return string(must(image.AttachedSBOM(t.Context(), ref, image.Options{})))
}

func TestListsOfPackagesComeAlong(t *testing.T) {
	t.Parallel()
	for what, knows := range map[string]bool{"referrers": true, "the fallback tag": false} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, names, router := withLists(t, registry.WithReferrersSupport(knows))
			g := must(Gather(t.Context(), s.courier(), names, ""))
			if len(g.Unlisted) != 1 || g.Unlisted[0].Image != names[2] || g.Unlisted[0].Err != nil {
				t.Errorf("without a list: %v", g.Unlisted)
			}
			file := s.write(names)
			if !bytes.Equal(must(os.ReadFile(file)), must(os.ReadFile(s.write(names)))) {
				t.Error("the same images give other bytes")
			}
			b := opened(t, file)
			must(0, b.Verify(t.Context(), io.Discard))
			other := newShop(t, registry.WithReferrersSupport(!knows))
			did := must(b.Push(t.Context(), other.courier(), other.host))
			if len(did.Unattached) > 0 || len(did.Lists) != 2 {
				t.Errorf("pushed %+v", did)
			}
			if again := must(b.Push(t.Context(), other.courier(), other.host)); again.Sent != 0 || len(again.Lists) != 2 {
				t.Errorf("pushed again %+v", again)
			}
			for i, want := range []string{"packages of the environment", "packages of the router"} {
				if at := strings.Replace(names[i], s.host, other.host, 1); attachedAt(t, at) != want ||
					attachedAt(t, names[i]) != want {
					t.Errorf("%s has %q, and had %q", at, attachedAt(t, at), attachedAt(t, names[i]))
				}
			}
			repository, _, _ := strings.Cut(names[1], "@")
			want := []SBOM{{repository + "@" + router.Digest.String(), "sha256:" + hexOf(names[1]), 22}}
			if i := imageIn(b, names[1]); !slices.Equal(i.SBOMs, want) || i.Size == 0 {
				t.Errorf("it has %v, not %v as it was attached", i.SBOMs, want)
			}
			if got := slices.Concat(g.Images[0].SBOMs, g.Images[1].SBOMs, g.Images[2].SBOMs); !slices.Equal(got,
				slices.Concat(b.Images[0].SBOMs, b.Images[1].SBOMs, b.Images[2].SBOMs)) || len(got) != 2 {
				t.Errorf("gathered %v, read %v", g.Images, b.Images)
			}

			// A bundle of what was loaded has the lists, too.
			var loaded []string
			for _, n := range names {
				loaded = append(loaded, strings.Replace(n, s.host, other.host, 1))
			}
			if i := imageIn(opened(t, other.write(loaded)), loaded[0]); len(i.SBOMs) != 1 {
				t.Errorf("bundled again with %v", i.SBOMs)
			}
		})
	}
}

func hexOf(ref string) string {
	_, hex, _ := strings.Cut(ref, "@sha256:")
	return hex
}

func imageIn(b *Bundle, ref string) Image {
	for _, i := range b.Images {
		if i.Reference == ref {
			return i
		}
	}
	return Image{}
}

// oras finds the lists where the specification of layouts has them.
func TestOrasFindsTheListsInTheFile(t *testing.T) {
	t.Parallel()
	s, names, router := withLists(t)
	store := must(oci.NewFromTar(t.Context(), s.write(names)))
	of := must(store.Resolve(t.Context(), names[1]))
	if got := must(store.Predecessors(t.Context(), ocispec.Descriptor{MediaType: of.MediaType, Digest: of.Digest,
		Size: of.Size})); len(got) != 1 || got[0].Digest != digest.Digest(router.Digest.String()) {
		t.Errorf("found %v", got)
	}
}

func TestWhatIsAttachedToAllPlatformsComesAlong(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	both, children := s.pushIndex("both:1")
	s.attach(children[1], "packages for arm64", nil)
	file := filepath.Join(t.TempDir(), "b.tar")
	must(Write(t.Context(), s.courier(), s.endpoint([]string{both}, AllPlatforms), file, false))
	b, other := opened(t, file), newShop(t)
	must(b.Push(t.Context(), other.courier(), other.host))
	if got := attachedAt(t, strings.Replace(children[1], s.host, other.host, 1)); got != "packages for arm64" {
		t.Errorf("it has %q", got)
	}
	if got := b.Images[0].SBOMs; len(got) != 1 || got[0].Subject != "sha256:"+hexOf(children[1]) {
		t.Errorf("read %v", got)
	}
}

// Of an image for several platforms that has no list it is told why, whichever of
// them has something else.
func TestWhyAllPlatformsHaveNoList(t *testing.T) {
	t.Parallel()
	for i, platform := range []string{"linux/amd64", "linux/arm64"} {
		s := newShop(t)
		both, children := s.pushIndex("both:1")
		repository, _, _ := strings.Cut(both, "@")
		m := listFor(s, children[i], "packages", image.SBOMType)
		m.Layers = nil
		s.put(repository, m, "{}")
		g := must(Gather(t.Context(), s.courier(), []string{both}, AllPlatforms))
		if len(g.Unlisted) != 1 || g.Unlisted[0].Image != both || g.Unlisted[0].Err == nil {
			t.Errorf("%s: without a list: %v", platform, g.Unlisted)
		}
	}
}

// Lists of others are made to be as those of here; what is no list stays behind.
func TestWhatOthersHaveAttached(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		spoil func(m *v1.Manifest)
		want  string
	}{
		"a list":               {func(*v1.Manifest) {}, ""},
		"of another type":      {func(m *v1.Manifest) { m.Layers[0].MediaType = "application/json" }, ""},
		"with its config only": {func(m *v1.Manifest) { m.ArtifactType, m.Config.MediaType = "", image.SBOMType }, ""},
		"two layers": {func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) },
			"is no list of packages, it has not the one layer of a list: remove it from the registry"},
		"a huge one": {func(m *v1.Manifest) { m.Layers[0].Size = image.MostSBOM + 1 },
			"is no list of packages, it has 67108865 bytes, and the most is 67108864: remove it from the registry"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			ref := s.push("a:1", forPlatform(t, "linux/amd64"))
			repository, _, _ := strings.Cut(ref, "@")
			m := listFor(s, ref, "packages", image.SBOMType)
			c.spoil(&m)
			s.put(repository, m, "{}", "packages")
			g := must(Gather(t.Context(), s.courier(), []string{ref}, ""))
			if c.want != "" {
				if len(g.Unlisted) != 1 || !strings.HasSuffix(g.Unlisted[0].Error(), c.want) || len(g.Images[0].SBOMs) > 0 {
					t.Errorf("got %v, %v", g.Unlisted, g.Images)
				}
				return
			}
			other := newShop(t)
			did := must(opened(t, s.write([]string{ref})).Push(t.Context(), other.courier(), other.host))
			if at := strings.Replace(ref, s.host, other.host, 1); len(did.Lists) != 1 || attachedAt(t, at) != "packages" {
				t.Errorf("pushed %+v, with %q", did, attachedAt(t, at))
			}
		})
	}
}

// A registry that knows of no lists keeps nobody from a bundle; one that fails does.
func TestRegistriesThatDoNotTellOfLists(t *testing.T) {
	t.Parallel()
	s, names, _ := withLists(t)
	for status, told := range map[int]bool{http.StatusForbidden: true, http.StatusMethodNotAllowed: true,
		http.StatusNotImplemented: true, http.StatusConflict: true, http.StatusInsufficientStorage: false} {
		s.spoils(func(w http.ResponseWriter, r *http.Request) bool {
			refused := strings.Contains(r.URL.Path, "/referrers/")
			if refused {
				w.WriteHeader(status)
			}
			return refused
		})
		g, err := Gather(t.Context(), s.courier(), names, "")
		if told != (err == nil) || told && (len(g.Unlisted) != 3 || g.Unlisted[0].Err == nil) {
			t.Errorf("%d: %v, without lists: %v", status, err, g.Unlisted)
		}
	}
}

// Images are there also where their lists cannot be.
func TestARegistryThatTakesNoLists(t *testing.T) {
	t.Parallel()
	s, names, _ := withLists(t)
	b := opened(t, s.write(names))
	other := newShop(t)
	other.spoils(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		text := must(io.ReadAll(r.Body))
		r.Body = io.NopCloser(bytes.NewReader(text))
		refused := bytes.Contains(text, []byte(`"subject"`))
		if refused {
			w.WriteHeader(http.StatusBadRequest)
		}
		return refused
	})
	did, err := b.Push(t.Context(), other.courier(), other.host)
	if err != nil || len(did.Lists) != 0 || len(did.Unattached) != 2 || strings.Contains(did.Unattached[0].Error(), "\n") {
		t.Errorf("pushed %+v, %v", did, err)
	}
	other.spoils(nil)
	if did := must(b.Push(t.Context(), other.courier(), other.host)); len(did.Lists) != 2 {
		t.Errorf("pushed again %+v", did)
	}
}

// What is attached to something else than the images of a bundle is in none.
func TestImagesThatAreAttachedToOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	to := s.push("a:1", forPlatform(t, "linux/amd64"))
	subject := listFor(s, to, "x", "").Subject
	image := s.push("a:2", must(mutate.Subject(forPlatform(t, "linux/amd64"), *subject).(v1.Image), nil))
	want := "image " + image + " is attached to " + to + ", which is not in the bundle: name one that stands alone"
	if _, err := Gather(t.Context(), s.courier(), []string{image}, ""); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := opened(t, s.write([]string{to, image})).Images; len(got) != 2 {
		t.Errorf("read %v", got)
	}
}

func TestListsThatAreRefused(t *testing.T) {
	t.Parallel()
	s, names, router := withLists(t)
	good := must(os.ReadFile(s.write(names)))
	const never = ": do not use it: kubectl aml bundle create makes no such file"
	huge, layer := blobOf(make([]byte, image.MostSBOM+1), image.SBOMType)
	config, large := blobOf(make([]byte, mostConfig+1), "")
	for what, c := range map[string]struct {
		change func(m *v1.Manifest)
		more   []entry
		want   string
	}{
		"an image that is not there": {func(m *v1.Manifest) { m.Subject.Digest = router.Digest }, nil,
			" is attached to " + router.Digest.String() + ", which it does not have" + never},
		"an image of another size": {func(m *v1.Manifest) { m.Subject.Size++ }, nil, ", which it does not have" + never},
		"no digest":                {func(m *v1.Manifest) { m.Subject.Digest = v1.Hash{Algorithm: "sha256"} }, nil, `cannot parse hash: "sha256:"` + never},
		"an image of another repository": {func(m *v1.Manifest) { m.Subject.Digest = v1.Hash{Algorithm: "sha256", Hex: hexOf(names[0])} },
			nil, ", which it does not have" + never},
		"another type": {func(m *v1.Manifest) { m.Layers[0].MediaType = types.OCILayer }, nil,
			" is in no form that is known" + never},
		"two layers": {func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) }, nil, " is in no form that is known" + never},
		"a huge one": {func(m *v1.Manifest) { m.Layers[0] = layer }, []entry{huge},
			" has 67108865 bytes, and the most is 67108864" + never},
		"a huge config": {func(m *v1.Manifest) { m.Config = large }, []entry{config}, " has 4194305 bytes, and the most is 4194304" + never},
		"a signature of something else": {func(m *v1.Manifest) {
			m.ArtifactType, m.Subject.Digest = "application/vnd.dev.cosign.artifact.sig.v1+json", router.Digest
		}, nil, ", which it does not have" + never},
		"a list without an image": {func(m *v1.Manifest) { m.Layers[0].Digest = router.Digest }, nil, "it lacks blob "},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "b.tar")
			must(0, os.WriteFile(file, relisted(entries(t, good), router.Digest, c.change, c.more), 0o600))
			if _, err := Open(file); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// relisted is a bundle with another artifact in the place of a list.
func relisted(all []entry, which v1.Hash, change func(*v1.Manifest), more []entry) []byte {
	for i, e := range all {
		if e.header.Name != blobFolder+which.Hex {
			continue
		}
		m := must(v1.ParseManifest(bytes.NewReader(e.text)))
		change(m)
		var d v1.Descriptor
		all[i], d = blobOf(must(json.Marshal(m)), types.OCIManifestSchema1)
		all = reindexed(all, func(index *v1.IndexManifest) {
			for n, t := range index.Manifests {
				if t.Digest == which {
					d.Annotations = map[string]string{refName: sibling(t.Annotations[refName], d.Digest)}
					index.Manifests[n] = d
				}
			}
		})
	}
	return tarOf(append(all, more...))
}

// The chart and the values say nothing of images, and nobody has two lists.
func TestWhatElseIsAttachedInNoBundle(t *testing.T) {
	t.Parallel()
	s, names, router := withLists(t)
	good := must(os.ReadFile(s.write(names)))
	for what, c := range map[string]struct {
		file func(all []entry) []byte
		want string
	}{
		"a chart": {func(all []entry) []byte {
			index := must(v1.ParseIndexManifest(bytes.NewReader(all[1].text)))
			return relisted(all, index.Manifests[len(index.Manifests)-1].Digest, func(m *v1.Manifest) {
				m.Subject = &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: router.Digest, Size: router.Size}
			}, nil)
		}, "is attached to " + router.Digest.String()},
		"two lists": {func(all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) {
				for _, d := range i.Manifests {
					if d.Digest == router.Digest {
						i.Manifests = append(i.Manifests, d)
					}
				}
			}))
		}, "it has two lists of packages for sha256:" + hexOf(names[1])},
	} {
		file := filepath.Join(t.TempDir(), "b.tar")
		must(0, os.WriteFile(file, c.file(entries(t, good)), 0o600))
		if _, err := Open(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
	}
}
