// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// largestManifest is what most registries take.
const largestManifest = 4 << 20

// manifest is what of a manifest or index is of interest here.
type manifest struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Manifests    []v1.Descriptor   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// refers are the blobs without which the manifest is of no use.
func (m manifest) refers() []v1.Descriptor {
	var all []v1.Descriptor
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	for _, d := range append(append([]v1.Descriptor{}, m.Layers...), m.Manifests...) {
		if d.MediaType.IsDistributable() || len(d.URLs) == 0 {
			all = append(all, d)
		}
	}
	return all
}

// manifests answers for a manifest, by tag or digest.
func (l *Layout) manifests(r *http.Request, repo, ref string) (answer, error) {
	if _, err := parseDigest(ref); err != nil && !tagName.MatchString(ref) {
		if strings.Contains(ref, ":") {
			return answer{}, err
		}
		return answer{}, refuse(http.StatusBadRequest, "TAG_INVALID", "%q is no tag", ref)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return l.manifest(repo, ref)
	case http.MethodPut:
		return l.putManifest(r, repo, ref)
	case http.MethodDelete:
		return l.deleteManifest(repo, ref)
	}
	return answer{}, notAllowed(r)
}

// manifest answers with a manifest. Who asks for one without a tag uses it: see
// Prune, which must not come between the look and the touch. Where no lock can be
// had, nothing can be deleted either.
func (l *Layout) manifest(repo, ref string) (answer, error) {
	if strings.Contains(ref, ":") {
		if unlock, err := l.lock(); err == nil {
			defer unlock()
		}
	}
	i, err := l.index()
	if err != nil {
		return answer{}, err
	}
	d, there := i.find(repo, ref)
	if !there {
		return answer{}, noManifest(repo, ref)
	}
	f, size, err := l.open(d.Digest)
	if err != nil {
		return answer{}, err
	}
	if entryOf(d).tag == "" {
		l.touch(d.Digest)
	}
	return answer{http.StatusOK, map[string]string{"Content-Type": string(d.MediaType),
		"Docker-Content-Digest": d.Digest.String(), "Etag": `"` + d.Digest.String() + `"`}, f, size}, nil
}

// putManifest refuses a manifest that refers to what is not there, and one that
// is not what its digest says.
func (l *Layout) putManifest(r *http.Request, repo, ref string) (answer, error) {
	text, err := io.ReadAll(io.LimitReader(reader{r.Context(), r.Body}, largestManifest+1))
	if err != nil {
		return answer{}, err
	}
	if len(text) > largestManifest {
		return answer{}, refuse(http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "it has more than 4 MiB")
	}
	m, d, err := describe(text, r.Header.Get("Content-Type"))
	if err != nil {
		return answer{}, err
	}
	tag := ref
	if strings.Contains(ref, ":") {
		if tag = ""; ref != d.Digest.String() {
			return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "what came has the digest %s", d.Digest)
		}
	}
	if err := l.change(func(i *index) error {
		if err := l.complete(m); err != nil {
			return err
		}
		i.put(repo, tag, d)
		return l.replace(blobFolder+"/"+d.Digest.Hex, text)
	}, func(index) error { return nil }); err != nil {
		return answer{}, err
	}
	header := map[string]string{"Location": "/v2/" + repo + "/manifests/" + d.Digest.String(),
		"Docker-Content-Digest": d.Digest.String()}
	if m.Subject != nil {
		header["OCI-Subject"] = m.Subject.Digest.String()
	}
	return answer{status: http.StatusCreated, header: header}, nil
}

func describe(text []byte, contentType string) (manifest, v1.Descriptor, error) {
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, v1.Descriptor{}, refuse(http.StatusBadRequest, "MANIFEST_INVALID", "it is no manifest: %v", err)
	}
	digest, size, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		return m, v1.Descriptor{}, err
	}
	kind := types.MediaType(contentType)
	switch {
	case kind == "":
		kind = cmp.Or(m.MediaType, types.OCIManifestSchema1)
	case m.MediaType != "" && m.MediaType != kind:
		return m, v1.Descriptor{}, refuse(http.StatusBadRequest, "MANIFEST_INVALID",
			"it says to be %s and was sent as %s", m.MediaType, kind)
	}
	if !kind.IsImage() && !kind.IsIndex() {
		return m, v1.Descriptor{}, refuse(http.StatusBadRequest, "MANIFEST_INVALID", "%q is no type of manifest", kind)
	}
	return m, v1.Descriptor{MediaType: kind, Size: size, Digest: digest, ArtifactType: m.ArtifactType}, nil
}

// complete refuses a manifest if anything it refers to is not there.
func (l *Layout) complete(m manifest) error {
	for _, d := range m.refers() {
		if d.Digest.Algorithm != "sha256" {
			return refuse(http.StatusBadRequest, "MANIFEST_INVALID", "%q is no digest sha256:…", d.Digest)
		}
		if _, err := os.Stat(l.blobPath(d.Digest)); errors.Is(err, fs.ErrNotExist) {
			return refuse(http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "%s is not there, push it again", d.Digest)
		} else if err != nil {
			return l.failed("read", err)
		}
	}
	return nil
}

// deleteManifest takes a tag away, or with a digest a manifest with all its tags
// and whatever nothing else refers to.
func (l *Layout) deleteManifest(repo, ref string) (answer, error) {
	err := l.change(func(i *index) error {
		done := i.untag
		if strings.Contains(ref, ":") {
			done = i.remove
		}
		if !done(repo, ref) {
			return noManifest(repo, ref)
		}
		return nil
	}, func(i index) error {
		_, err := l.sweep(i, false)
		return err
	})
	return answer{status: http.StatusAccepted}, err
}
