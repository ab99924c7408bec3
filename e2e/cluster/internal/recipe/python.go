// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"context"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

// Python is a system with Python that makes virtual environments with pip, to
// build environments on.
func (b *Book) Python() Image {
	return b.image("aml/python", "", func(ctx context.Context) (v1.Image, error) {
		root, err := b.debian(ctx)
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, "python: layer", []string{filepath.Dir(string(root))}, func() (image.Files, error) {
			return pythonSystem(root, "python3-venv")
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{Env: []string{searchPath, "LANG=C.UTF-8"}, Cmd: []string{"python3"}}, layer)
	})
}
