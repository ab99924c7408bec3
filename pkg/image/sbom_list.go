// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// SBOMType is the media type of CycloneDX in JSON, as IANA has it: of the list and
// of the artifact that refers to an image.
const SBOMType = types.MediaType("application/vnd.cyclonedx+json")

// MostSBOM is the size up to which a list of packages is read, in bytes.
const MostSBOM = 64 << 20

// NoSBOMError says that an image has no list of packages.
type NoSBOMError struct {
	// Image is the one asked for, by digest.
	Image string
	// Err is why what is attached to it cannot be had; nil if nothing is.
	Err error
}

// Error names the image.
func (e *NoSBOMError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the list of packages attached to %s cannot be had: %s", e.Image, e.Err)
	}
	return fmt.Sprintf("no list of packages is attached to %s: make one of its layers with kubectl aml sbom %s", e.Image,
		e.Image)
}

// Unwrap gives why there is none.
func (e *NoSBOMError) Unwrap() error { return e.Err }

// notListError is what is wrong with what is attached to an image.
type notListError struct{ of, what string }

func (e *notListError) Error() string {
	return "what is attached to " + e.of + " is no list of packages, " + e.what + ": remove it from the registry"
}

// attachedList is a list of packages as it is attached.
type attachedList struct {
	// subject is the image asked for, of what the list is attached to: that image or
	// its environment.
	subject, of name.Digest
	raw         []byte
	manifest    *v1.Manifest
}

// text describes the list itself.
func (l attachedList) text() v1.Descriptor { return l.manifest.Layers[0] }

// listOf finds the list that is attached to an image or to its environment. If
// there is none the error is a *NoSBOMError.
func listOf(ctx context.Context, ref string, o Options) (attachedList, error) {
	img, subject, err := imageOf(ctx, ref, o)
	if err != nil {
		return attachedList{}, err
	}
	l := attachedList{subject: subject, of: subject}
	there, err := attached(ctx, subject, o)
	if err == nil && there == nil {
		if l.of = environmentOf(img, subject); l.of.Name() != subject.Name() {
			if there, err = attached(ctx, l.of, o); slices.Contains(hidden(), statusOf(err)) {
				err = nil
			}
		}
	}
	if err != nil {
		return l, err
	}
	if there == nil {
		return l, &NoSBOMError{Image: subject.Name()}
	}
	got, err := remote.Get(l.of.Context().Digest(there.String()), o.remoteOptions(ctx, newTransport(o))...)
	if err != nil {
		return l, explain(err, "read", l.of.Name())
	}
	l.raw = got.Manifest
	return l, l.parse()
}

func (l *attachedList) parse() (err error) {
	l.manifest, err = v1.ParseManifest(bytes.NewReader(l.raw))
	switch {
	case err != nil || len(l.manifest.Layers) != 1:
		return &notListError{l.of.Name(), "it has not the one layer of a list"}
	case l.text().Size < 0 || l.text().Size > MostSBOM:
		return &notListError{l.of.Name(), fmt.Sprintf("it has %d bytes, and the most is %d", l.text().Size, MostSBOM)}
	}
	return nil
}

// Attachment is a list of packages that refers to an image.
type Attachment struct {
	// Manifest is that of the artifact; it has one layer, the list. Its reference is
	// in the repository of the image.
	Manifest
	// Config is the artifact's, the empty one.
	Config []byte
	// From names what Blob finds the list beside.
	From string
}

// Attached returns the list of packages that AttachedSBOM finds for an image. What
// is attached to its environment, or has another form than that of the lists that
// are made here, is made to refer to the image: the list in it is the same. If there
// is none, or the registry refuses to tell, or what is there is no list, the error is
// a *NoSBOMError. Other errors are as in Package.
func (c *Courier) Attached(ctx context.Context, to Manifest) (Attachment, error) {
	o := c.o
	o.puller = c.puller
	l, err := listOf(ctx, to.Reference, o)
	if errors.As(err, new(*notListError)) || refused(statusOf(err)) {
		err = &NoSBOMError{Image: to.Reference, Err: err}
	}
	if err != nil {
		return Attachment{}, err
	}
	subject := v1.Descriptor{MediaType: to.Type, Size: int64(len(to.Raw)), Digest: to.Digest}
	made, err := sbomArtifact(v1.Descriptor{MediaType: SBOMType, Size: l.text().Size, Digest: l.text().Digest}, subject)
	if err != nil {
		return Attachment{}, err
	}
	if l.fits(subject) {
		made.manifest = l.raw
	}
	digest, err := made.digest()
	return Attachment{Manifest{pinned(l.subject, digest), types.OCIManifestSchema1, digest, made.manifest},
		[]byte(emptyContent), l.of.Name()}, err
}

// fits tells whether the artifact refers to an image as one that is made here does.
func (l attachedList) fits(subject v1.Descriptor) bool {
	m := l.manifest
	empty, _, err := v1.SHA256(strings.NewReader(emptyContent))
	return err == nil && m.MediaType == types.OCIManifestSchema1 && m.ArtifactType == string(SBOMType) &&
		m.Config.MediaType == emptyConfig && m.Config.Digest == empty &&
		m.Config.Size == int64(len(emptyContent)) && l.text().MediaType == SBOMType &&
		m.Subject != nil && m.Subject.Digest == subject.Digest && m.Subject.Size == subject.Size
}

// refused tells whether a registry that gives such an answer means to: it knows of
// no lists, or shows them to others only.
func refused(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusNotImplemented:
		return true
	}
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}
