// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// layerFile is the layer in the folder that SaveLayer leaves.
const layerFile = "layer.tar.gz"

// SaveLayer writes the files as a layer into dir.
func SaveLayer(dir string, files Files) error {
	out, err := os.Create(filepath.Join(dir, layerFile))
	if err != nil {
		return err
	}
	return errors.Join(files.WriteLayer(out), out.Close())
}

// New is the image with the layers saved in these folders, the first at the bottom.
func New(config v1.Config, layerDirs ...string) (v1.Image, error) {
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Config: config,
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, dir := range layerDirs {
		layer, err := tarball.LayerFromFile(filepath.Join(dir, layerFile))
		if err != nil {
			return nil, fmt.Errorf("layer in %s: %w", dir, err)
		}
		if base, err = mutate.AppendLayers(base, layer); err != nil {
			return nil, err
		}
	}
	return base, nil
}

// Digest asks a registry for the digest of a reference: "" where the registry
// answers that there is no such image.
func Digest(ctx context.Context, ref string) (string, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	head, err := remote.Head(parsed, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	var answer *transport.Error
	switch {
	case err == nil:
		return head.Digest.String(), nil
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return "", nil
	}
	return "", fmt.Errorf("ask for image %s: %w", ref, err)
}

// Push uploads the image under that reference, leaving out the layers that the
// registry has, and returns its digest.
func Push(ctx context.Context, ref string, img v1.Image) (string, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	if err := remote.Write(parsed, img, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := img.Digest()
	return digest.String(), err
}

// Save writes the image as an archive that "docker load" reads.
func Save(w io.Writer, ref string, img v1.Image) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	return tarball.Write(tag, img, w)
}
