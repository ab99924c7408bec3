// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"context"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/debian"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

const pythonPart = "python"

// installPip makes a virtual environment with pip as the only package. It runs
// in the new root, pip from its own wheel.
const installPip = `
python3 -m venv --without-pip /opt/venv
PYTHONPATH=$(echo /wheels/pip-*.whl) /opt/venv/bin/python -m pip install --no-index --find-links /wheels \
  --no-compile --no-cache-dir --require-hashes --requirement /wheels/requirements.txt
find /opt/venv /usr/lib/python3* -depth -type d -name __pycache__ -exec rm -rf {} +
`

// Python is a system with Python and pip, to build environments on.
func (b *Book) Python() Image {
	return b.image("aml/"+pythonPart, "", func(ctx context.Context) (v1.Image, error) {
		root, err := b.debian(ctx)
		if err != nil {
			return nil, err
		}
		wheels, err := b.wheels(ctx, pythonPart)
		if err != nil {
			return nil, err
		}
		built, err := b.python(ctx, pythonPart, root, wheels, installPip)
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, pythonPart+": layer", []string{built}, func() (image.Files, error) {
			return image.Tree(filepath.Join(built, "root"), debian.Needless)
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env: []string{"PATH=/" + venv + "/bin:" + searchPath[len("PATH="):], "LANG=C.UTF-8"}, Cmd: []string{"python3"},
		}, layer)
	})
}
