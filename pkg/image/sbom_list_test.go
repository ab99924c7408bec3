// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// attachText attaches a list with a text of somebody else to an image.
func attachText(t *testing.T, ref, text string) {
	t.Helper()
	img, subject, err := imageOf(t.Context(), ref, options())
	if err != nil {
		t.Fatal(err)
	}
	list := must(mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		SBOMType), static.NewLayer([]byte(text), SBOMType)))
	attached := mutate.Subject(list, must(descriptorOf(img))).(v1.Image)
	must(0, remote.Write(must(name.NewDigest(subject.Context().Name()+"@"+must(attached.Digest()).String())), attached))
}

// Registries list what is attached in any order.
func TestOfSeveralListsItIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	var first string
	for _, order := range [][]string{{"one", "two", "three"}, {"three", "two", "one"}, {"two", "three", "one"}} {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
		t.Cleanup(server.Close)
		reg := &testRegistry{host: strings.TrimPrefix(server.URL, "http://")}
		ref := reg.push(t, "environments:1", empty.Image)
		for _, text := range order {
			attachText(t, ref, text)
		}
		got := string(must(AttachedSBOM(t.Context(), ref, options())))
		if first == "" {
			first = got
		}
		equal(t, "the list", got, first)
	}
}

func TestListsThatAreNone(t *testing.T) {
	t.Parallel()
	const index = "application/vnd.oci.image.index.v1+json"
	for what, c := range map[string]struct {
		path, kind, answer, want string
	}{
		"no list of them": {"/referrers/", index, "{", "the registry tells of it in no form that is known"},
		"a longer text":   {"/blobs/", "", "a list and more", "it has another size than its manifest says"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			ref := reg.push(t, "environments:1", empty.Image)
			attachText(t, ref, "a list")
			subject := must(Resolve(t.Context(), ref, options()))
			reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, c.path) {
					return false
				}
				w.Header().Set("Content-Type", c.kind)
				_, _ = io.WriteString(w, c.answer) // who reads it tells
				return true
			})
			_, err := AttachedSBOM(t.Context(), ref, options())
			equal(t, "error", err, "what is attached to "+subject+" is no list of packages, "+c.want+
				": remove it from the registry")
		})
	}
}
