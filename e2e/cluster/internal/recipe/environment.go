// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/debian"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// scorer is the user of the scoring environment, as in Azure ML's own images.
const scorer = 10001

const venv = "opt/venv"

// The parts that a scoring environment can be made of.
const (
	// ScoringPart has the inference server, scikit-learn, numpy and joblib, as
	// a curated Azure ML environment has them.
	ScoringPart = "environment"
	// AzureMLPart has the inference server and azureml-core.
	AzureMLPart = "environment-azureml"
)

// Environment is a Python environment with the packages of the part.
func (b *Book) Environment(part string) Image {
	return b.image("aml/"+part, "", func(ctx context.Context) (v1.Image, error) {
		root, err := b.debian(ctx)
		if err != nil {
			return nil, err
		}
		wheels, err := b.wheels(ctx, part)
		if err != nil {
			return nil, err
		}
		built, err := b.python(ctx, part, root, wheels)
		if err != nil {
			return nil, err
		}
		system, packages, err := b.environmentLayers(ctx, part, built)
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env: []string{"PATH=/" + venv + "/bin:/usr/local/bin:/usr/bin:/bin",
				"PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"},
			User:       fmt.Sprint(scorer),
			WorkingDir: "/var/azureml-app",
		}, system, packages)
	})
}

// environmentLayers are those of the system with Python, the same for all
// parts, and of the packages.
func (b *Book) environmentLayers(ctx context.Context, part, built string) (system, packages string, err error) {
	system, err = b.layer(ctx, part+": python layer", []string{built}, func() (image.Files, error) {
		files, err := image.Tree(filepath.Join(built, "root"), func(name string) bool {
			return image.Under(name, venv) || debian.Needless(name)
		})
		if err == nil {
			files.Add(account("aml", scorer))
		}
		return files, err
	})
	if err != nil {
		return "", "", err
	}
	packages, err = b.layer(ctx, part+": packages layer", []string{built}, func() (image.Files, error) {
		return packageFiles(filepath.Join(built, "root"))
	})
	return system, packages, err
}

// python is the folder with a small root file system in which the wheels are
// installed as a virtual environment.
func (b *Book) python(ctx context.Context, part string, root debian.Root, wheels string) (string, error) {
	return b.store.Run(ctx, step.Step{
		Name: part + ": install packages", Cheap: true,
		Inputs: []string{b.code, filepath.Base(filepath.Dir(string(root))), filepath.Base(wheels)},
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			files, err := pythonSystem(root)
			if err != nil {
				return err
			}
			target := filepath.Join(dir, "root")
			if err := files.Unpack(target); err != nil {
				return err
			}
			if err := os.CopyFS(filepath.Join(target, "wheels"), os.DirFS(wheels)); err != nil {
				return err
			}
			requirements, err := os.ReadFile(filepath.Join(b.part(part), "requirements.txt"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(target, "wheels/requirements.txt"), requirements, 0o644); err != nil {
				return err
			}
			err = engine.Command(ctx, log, "chroot", target, "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp",
				"PYTHONHASHSEED=0", "/bin/sh", "-ec", install)
			return errors.Join(err, os.RemoveAll(filepath.Join(target, "wheels")))
		},
	})
}

// install runs in the new root. pip runs from its own wheel, so that it is not
// in the environment. Byte code is checked by nothing at start: an image's files
// have no times, and nobody may write it later where the root is read-only. With
// a fixed hash seed it comes out the same each time.
const install = `
python3 -m venv --without-pip /opt/venv
PYTHONPATH=$(echo /wheels/pip-*.whl) /opt/venv/bin/python -m pip install --no-index --find-links /wheels \
  --no-compile --no-cache-dir --require-hashes --requirement /wheels/requirements.txt
rm -rf /opt/venv/lib/python3.*/site-packages/pip /opt/venv/lib/python3.*/site-packages/pip-* /opt/venv/bin/pip*
find /opt/venv /usr/lib/python3* -depth -type d \( -name __pycache__ -o -name tests \) -exec rm -rf {} +
python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.* /opt/venv/lib
`

// pythonSystem is a system with Python and with some more packages.
func pythonSystem(root debian.Root, more ...string) (image.Files, error) {
	files, err := root.Files(
		append(more, "python3", "ca-certificates", "dash", "coreutils", "findutils", "libgcc-s1", "libstdc++6"),
		[]string{"adduser", "debconf", "dpkg", "init-system-helpers", "install-info", "libc-bin", "media-types", "openssl",
			"passwd", "perl-base", "tar"})
	if err != nil {
		return nil, err
	}
	bundle, err := image.Stat(filepath.Join(string(root), "etc/ssl/certs/ca-certificates.crt"))
	files["etc/ssl/certs/ca-certificates.crt"] = bundle
	files["usr/bin/sh"] = image.Link("dash")
	app := image.Dir(0o755)
	app.UID, app.GID = scorer, scorer
	files["var/azureml-app"] = app
	return files.Add(account("aml", scorer)), err
}

// packageFiles are the files of the virtual environment, without the headers
// and sources that only building needs.
func packageFiles(root string) (image.Files, error) {
	installed, err := image.Tree(filepath.Join(root, venv), func(name string) bool {
		switch path.Ext(name) {
		case ".pyx", ".pxd", ".pyi", ".h", ".hpp", ".c", ".cpp", ".a":
			return true
		}
		return path.Base(name) == "include"
	})
	files := image.Files{}
	for name, file := range installed {
		files[path.Join(venv, name)] = file
	}
	return files, err
}

// unzip writes one file of an archive to the path given.
func unzip(archive, name, to string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	from, err := reader.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSuffix(filepath.Base(archive), ".whl"), err)
	}
	defer func() { _ = from.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// EnvironmentContext is the folder from which "docker build" makes a scoring
// environment where published images can be pulled, and the key of the result.
func (b *Book) EnvironmentContext(part string) (folder, key string, err error) {
	folder = b.part(part)
	inputs, err := step.Files(folder)
	return folder, step.Key(inputs), err
}
