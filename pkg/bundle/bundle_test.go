// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// shop is a registry with images.
type shop struct {
	t    *testing.T
	host string
	next http.Handler

	mu sync.Mutex
	// spoil may answer a request in the registry's place.
	spoil func(http.ResponseWriter, *http.Request) bool
}

func newShop(t *testing.T, opts ...registry.Option) *shop {
	t.Helper()
	s := &shop{t: t, next: registry.New(append(opts, registry.Logger(log.New(io.Discard, "", 0)))...)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		spoil := s.spoil
		s.mu.Unlock()
		if spoil == nil || !spoil(w, r) {
			s.next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	return s
}

func (s *shop) spoils(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = f
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) //nolint:forbidigo // only what a test sets up; the trace names the line
	}
	return v
}

// forPlatform is a random image for a platform.
func forPlatform(t *testing.T, platform string) v1.Image {
	t.Helper()
	img := must(random.Image(512, 2))
	p := must(v1.ParsePlatform(platform))
	config := must(img.ConfigFile()).DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	return must(mutate.ConfigFile(img, config))
}

func (s *shop) push(ref string, img v1.Image) string {
	s.t.Helper()
	parsed := must(name.ParseReference(s.host + "/" + ref))
	if err := remote.Write(parsed, img); err != nil {
		s.t.Fatal(err)
	}
	return parsed.Context().Name() + "@" + must(img.Digest()).String()
}

// pushIndex pushes an image for two platforms, and returns it by digest and the two
// images of it.
func (s *shop) pushIndex(ref string) (string, []string) {
	s.t.Helper()
	var index v1.ImageIndex = empty.Index
	parsed := must(name.ParseReference(s.host + "/" + ref))
	var children []string
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		img := forPlatform(s.t, platform)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: must(v1.ParsePlatform(platform))}})
		children = append(children, parsed.Context().Name()+"@"+must(img.Digest()).String())
	}
	if err := remote.WriteIndex(parsed, index); err != nil {
		s.t.Fatal(err)
	}
	return parsed.Context().Name() + "@" + must(index.Digest()).String(), children
}

// pushAll pushes an image for what its images are said to be for, the last first.
func (s *shop) pushAll(ref string, images map[string]v1.Image) string {
	s.t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, platform := range slices.Backward(slices.Sorted(maps.Keys(images))) {
		add := mutate.IndexAddendum{Add: images[platform]}
		if platform != "" {
			add.Platform = must(v1.ParsePlatform(platform))
		}
		index = mutate.AppendManifests(index, add)
	}
	parsed := must(name.ParseReference(s.host + "/" + ref))
	if err := remote.WriteIndex(parsed, index); err != nil {
		s.t.Fatal(err)
	}
	return parsed.Context().Name() + "@" + must(index.Digest()).String()
}

func (s *shop) courier() *image.Courier {
	return must(image.NewCourier(s.t.Context(), image.Options{}))
}

// stocked is a registry with what an endpoint is made of: a version and a router
// for amd64, and a limiter for two platforms.
func stocked(t *testing.T) (s *shop, names []string) {
	t.Helper()
	s = newShop(t)
	version := s.push("ml/diabetes:1", forPlatform(t, "linux/amd64"))
	s.push("envoy/envoy:1", forPlatform(t, "linux/amd64"))
	s.pushIndex("library/haproxy:3")
	return s, []string{version, s.host + "/envoy/envoy:1", s.host + "/library/haproxy:3"}
}

func (s *shop) endpoint(names []string, platform string) Endpoint {
	s.t.Helper()
	g, err := Gather(s.t.Context(), s.courier(), names, platform)
	if err != nil {
		s.t.Fatal(err)
	}
	return Endpoint{Name: "diabetes", Chart: must(chart.Pack()), Values: []byte("purpose: DevTest\n"), Images: g}
}

func (s *shop) write(names []string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "diabetes.tar")
	if _, err := Write(s.t.Context(), s.courier(), s.endpoint(names, ""), file, false); err != nil {
		s.t.Fatal(err)
	}
	return file
}

func opened(t *testing.T, file string) *Bundle {
	t.Helper()
	b, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestWhatIsBundledComesOutElsewhere(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	b := opened(t, s.write(names))
	if b.Endpoint != "diabetes" || string(b.Values) != "purpose: DevTest\n" || b.Chart != must(chart.Pack()).Version {
		t.Errorf("got endpoint %q, chart %q, values %q", b.Endpoint, b.Chart, b.Values)
	}
	if err := b.Verify(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	other := newShop(t)
	did, err := b.Push(t.Context(), other.courier(), other.host+"/mirror")
	if err != nil || did.Sent != 9 || did.There != 0 {
		t.Fatalf("pushed %+v, %v", did, err)
	}
	at, err := b.At(other.host + "/mirror")
	if err != nil || len(at) != 3 {
		t.Fatalf("at %v, %v", at, err)
	}
	for from, to := range at {
		path, digest, _ := strings.Cut(strings.TrimPrefix(from, s.host), "@")
		if want := other.host + "/mirror" + path + "@" + digest; to != want {
			t.Errorf("%s is at %s, want %s", from, to, want)
		}
		img := must(remote.Image(must(name.ParseReference(to))))
		for _, l := range must(img.Layers()) {
			if _, err := io.Copy(io.Discard, must(l.Compressed())); err != nil {
				t.Errorf("%s: %v", to, err)
			}
		}
	}
	if did, err := b.Push(t.Context(), other.courier(), other.host+"/mirror"); err != nil || did.Sent != 0 || did.There != 9 {
		t.Errorf("pushed again: %+v, %v", did, err)
	}
	repository, err := b.PushChart(t.Context(), other.courier(), other.host+"/mirror")
	if err != nil || repository != "oci://"+other.host+"/mirror/inference" {
		t.Fatalf("chart at %s, %v", repository, err)
	}
	tag := strings.TrimPrefix(repository, "oci://") + ":" + b.Chart
	layer := must(must(remote.Image(must(name.ParseReference(tag)))).Layers())[0]
	if got := must(io.ReadAll(must(layer.Compressed()))); !bytes.Equal(got, must(chart.Pack()).Content) {
		t.Errorf("the chart has %d bytes", len(got))
	}
}

// A repository that has a blob already is sent nothing, whoever else was.
func TestABlobCountsAsSentWhereItWas(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	img := forPlatform(t, "linux/amd64")
	b := opened(t, s.write([]string{s.push("a:1", img), s.push("b:1", img)}))
	other := newShop(t) // its repositories share all blobs
	var told []string
	c := must(image.NewCourier(t.Context(), image.Options{Log: func(line string) { told = append(told, line) }}))
	if did, err := b.Push(t.Context(), c, other.host); err != nil || did.Sent != 3 || did.There != 3 {
		t.Errorf("pushed %+v, %v", did, err)
	}
	if want := []string{"pushing to " + other.host + "/a", "pushing to " + other.host + "/b"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestTheSameEndpointGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	first := must(os.ReadFile(s.write(names)))
	slices.Reverse(names)
	if second := must(os.ReadFile(s.write(names))); !bytes.Equal(first, second) {
		t.Errorf("%d and %d bytes differ", len(first), len(second))
	}
}

// What other tools read: oras finds everything by the references in index.json.
func TestTheFileIsAnImageLayout(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	file := s.write(names)
	b := opened(t, file)
	store := must(oci.NewFromTar(t.Context(), file))
	for _, ref := range append(refs(b), "values", "inference:"+b.Chart) {
		d, err := store.Resolve(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(must(content.FetchAll(t.Context(), store, d)), &m); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		for _, l := range append(m.Layers, m.Config) {
			if got := digest.FromBytes(must(content.FetchAll(t.Context(), store, l))); got != l.Digest {
				t.Errorf("%s has %s for %s", ref, got, l.Digest)
			}
		}
	}
}

func refs(b *Bundle) []string {
	var out []string
	for _, i := range b.Images {
		out = append(out, i.Reference)
	}
	return out
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	amd := s.push("amd:1", forPlatform(t, "linux/amd64"))
	arm := s.push("arm:1", forPlatform(t, "linux/arm64"))
	silent := s.push("silent:1", must(random.Image(8, 1)))
	both, children := s.pushIndex("both:1")
	v8 := s.push("v8:1", forPlatform(t, "linux/arm64/v8"))
	fast, slow := forPlatform(t, "linux/amd64/v3"), forPlatform(t, "linux/amd64")
	speeds := s.pushAll("speeds:1", map[string]v1.Image{"linux/amd64/v3": fast, "linux/amd64": slow})
	attested := s.pushAll("attested:1", map[string]v1.Image{"linux/arm64": forPlatform(t, "linux/arm64"), "unknown/unknown": slow})
	silentAll := s.pushAll("silent-all:1", map[string]v1.Image{"": slow})
	repository, _, _ := strings.Cut(speeds, "@")
	for what, c := range map[string]struct {
		names    []string
		platform string
		want     []string
		wrong    string
	}{
		"that of the others":       {[]string{amd, s.host + "/both:1"}, "", []string{amd, children[0]}, ""},
		"that of the others, arm":  {[]string{arm, both}, "", []string{arm, children[1]}, ""},
		"arm64 is v8":              {[]string{arm, v8, both}, "", []string{arm, v8, children[1]}, ""},
		"the one that all can run": {[]string{speeds}, "linux/amd64", []string{repository + "@" + must(slow.Digest()).String()}, ""},
		"what is no platform": {[]string{attested}, "", nil,
			"image ATTESTED is not for linux/amd64, but for linux/arm64: name another platform with --platform"},
		"an index that says nothing": {[]string{silentAll}, "", nil, "image SILENTALL does not say what its images are for: " +
			"take all of them with --platform all, or name one of them by its digest"},
		"the usual one":            {[]string{both, silent}, "", []string{children[0], silent}, ""},
		"the one that is asked":    {[]string{both}, "linux/arm64", []string{children[1]}, ""},
		"all":                      {[]string{amd, arm, both}, AllPlatforms, []string{amd, arm, both}, ""},
		"one that an image is not": {[]string{amd, both}, "linux/arm64", nil, "image AMD is for linux/amd64 only, not for linux/arm64: name another platform with --platform"},
		"one that nobody has": {[]string{both}, "linux/s390x", nil, "image BOTH is not for linux/s390x, but for linux/amd64, " +
			"linux/arm64: name another platform with --platform"},
		"two at once": {[]string{amd, arm}, "", nil,
			"the images are for several platforms, linux/amd64 (AMD), linux/arm64 (ARM): say which with --platform"},
		"none": {[]string{amd}, "linux", nil, `platform "linux" is none: write OS/ARCHITECTURE, such as linux/amd64, or all`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g, err := Gather(t.Context(), s.courier(), c.names, c.platform)
			want := strings.NewReplacer("AMD", amd, "ARM", arm, "BOTH", both, "ATTESTED", attested,
				"SILENTALL", silentAll).Replace(c.wrong)
			if err != nil || want != "" {
				if err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
				return
			}
			var got []string
			for _, i := range g.Images {
				got = append(got, i.Reference)
			}
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// With all platforms an image keeps the digest of its index, and has all of it.
func TestAWholeIndexIsCarried(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	both, children := s.pushIndex("both:1")
	file := filepath.Join(t.TempDir(), "b.tar")
	must(Write(t.Context(), s.courier(), s.endpoint([]string{both}, AllPlatforms), file, false))
	other := newShop(t)
	must(opened(t, file).Push(t.Context(), other.courier(), other.host))
	for _, ref := range append(children, both) {
		if _, err := remote.Get(must(name.ParseReference(strings.Replace(ref, s.host, other.host, 1)))); err != nil {
			t.Error(err)
		}
	}
}
