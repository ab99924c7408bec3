// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
)

// attach makes the SBOM of an image, which may be read from elsewhere, and attaches
// it to the subject as a referrer (OCI distribution-spec 1.1); where the registry
// does not know of those, in the way that the specification has for it. It returns
// the reference of what was attached. A subject that has one keeps it, and nothing
// is sent.
func attach(ctx context.Context, img v1.Image, subject name.Digest, o Options) (string, error) {
	there, err := attached(ctx, subject, o)
	if err != nil || there != nil {
		return pinnedDigest(subject, there), err
	}
	o.log("listing the packages in " + subject.Name())
	text, err := SBOM(ctx, img, path.Base(subject.Context().RepositoryStr()))
	if err != nil {
		return "", err
	}
	desc, err := descriptorOf(img)
	if err != nil {
		return "", explain(err, "read", subject.Name())
	}
	sbom := static.NewLayer(text, SBOMType)
	listed, err := partial.Descriptor(sbom)
	if err != nil {
		return "", err
	}
	a, err := sbomArtifact(*listed, desc)
	if err != nil {
		return "", err
	}
	repo, opts := subject.Context(), o.remoteOptions(ctx, newTransport(o))
	for _, l := range []v1.Layer{sbom, a.config} {
		if err := remote.WriteLayer(repo, l, opts...); err != nil {
			return "", explain(err, pushTo, repo.Name())
		}
	}
	digest, err := a.digest()
	if err != nil {
		return "", err
	}
	at := repo.Digest(digest.String())
	if err := remote.Put(at, a, opts...); err != nil {
		return "", explain(err, pushTo, repo.Name())
	}
	return at.Name(), nil
}

// AttachedSBOM returns the SBOM that is attached to an image, whoever made it, or
// to the environment that it was built upon, if that is in the same registry. If
// there is none the error is a *NoSBOMError. One of more than MostSBOM bytes is
// refused.
func AttachedSBOM(ctx context.Context, ref string, o Options) ([]byte, error) {
	l, err := listOf(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	layer, err := remote.Layer(l.of.Context().Digest(l.text().Digest.String()),
		o.remoteOptions(ctx, newTransport(o))...)
	if err != nil {
		return nil, explain(err, "read", l.of.Name())
	}
	text, err := layer.Compressed()
	if err != nil {
		return nil, explain(err, "read", l.of.Name())
	}
	out, err := io.ReadAll(io.LimitReader(text, l.text().Size+1))
	if err := errors.Join(err, text.Close()); err != nil {
		return nil, explain(err, "read", l.of.Name())
	}
	if int64(len(out)) != l.text().Size {
		return nil, &notListError{l.of.Name(), "it has another size than its manifest says"}
	}
	return out, nil
}

// hidden is what registries answer for a repository that is not theirs: that of
// environments may be in a global registry only.
func hidden() []int {
	return []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
}

// environmentOf is the environment of an image that Package made: beside it, in the
// same registry. Of others it is the image itself.
func environmentOf(img v1.Image, subject name.Digest) name.Digest {
	file, err := img.ConfigFile()
	if err != nil {
		return subject
	}
	base, err := v1.NewHash(file.Config.Labels[baseDigest])
	if err != nil {
		return subject
	}
	repo := subject.Context()
	return repo.Registry.Repo(path.Join(path.Dir(repo.RepositoryStr()), environmentsName)).Digest(base.String())
}

// MakeSBOM makes the SBOM of an image that is in a registry.
func MakeSBOM(ctx context.Context, ref string, o Options) ([]byte, error) {
	img, subject, err := imageOf(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	return SBOM(ctx, img, path.Base(subject.Context().RepositoryStr()))
}

// imageOf is the image for linux/amd64 that ref names, and its digest.
func imageOf(ctx context.Context, ref string, o Options) (v1.Image, name.Digest, error) {
	img, pinned, err := pull(ctx, ref, o, newTransport(o))
	if err != nil {
		return nil, name.Digest{}, err
	}
	subject, err := name.NewDigest(pinned, o.nameOptions()...)
	return img, subject, err
}

func pinnedDigest(subject name.Digest, digest *v1.Hash) string {
	if digest == nil {
		return ""
	}
	return subject.Context().Digest(digest.String()).Name()
}

// attached is the digest of a list that is attached to an image, of several always
// the same one; nil if there is none.
func attached(ctx context.Context, subject name.Digest, o Options) (*v1.Hash, error) {
	opts := o.remoteOptions(ctx, newTransport(o))
	index, err := remote.Referrers(subject, opts...)
	if err != nil {
		return nil, explain(err, "look up what is attached to", subject.Name())
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, &notListError{subject.Name(), "the registry tells of it in no form that is known"}
	}
	slices.SortFunc(m.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	for _, d := range m.Manifests {
		kind := d.ArtifactType
		if kind == emptyConfig { // some registries look at the config alone
			got, err := remote.Get(subject.Context().Digest(d.Digest.String()), opts...)
			if err != nil {
				return nil, explain(err, "read", subject.Name())
			}
			if read, err := v1.ParseManifest(bytes.NewReader(got.Manifest)); err == nil {
				kind = read.ArtifactType
			}
		}
		if kind == string(SBOMType) {
			return &d.Digest, nil
		}
	}
	return nil, nil
}

func descriptorOf(img v1.Image) (v1.Descriptor, error) {
	digest, err := img.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := img.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	kind, err := img.MediaType()
	return v1.Descriptor{MediaType: kind, Digest: digest, Size: size}, err
}

// sbomArtifact is the manifest of a list that refers to an image.
func sbomArtifact(list, subject v1.Descriptor) (artifact, error) {
	a, err := newArtifact(string(SBOMType), []byte("{}"), emptyConfig, []v1.Descriptor{list}, nil)
	if err != nil {
		return artifact{}, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(a.manifest))
	if err != nil {
		return artifact{}, err
	}
	m.Subject = &subject
	a.manifest, err = json.Marshal(m)
	return a, err
}
