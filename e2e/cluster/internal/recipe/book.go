// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package recipe puts the images of an offline cluster together, from Go
// modules, Python wheels and Debian packages.
package recipe

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/debian"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Book holds the recipes; its slow steps are kept in a step.Store.
type Book struct {
	store  *step.Store
	source string // root of this repository's tree
	code   string // hash of the recipes themselves
}

// Image is an image that can be made.
type Image struct {
	Repository string
	Tag        string // what it has to be called beside its Key; may be empty
	Key        string // equal keys, equal images
	Make       func(ctx context.Context) (v1.Image, error)
}

// Open returns the recipes of the tree at source.
func Open(store *step.Store, source string) (*Book, error) {
	here := filepath.Join(source, "e2e/cluster")
	code, err := step.Files(filepath.Join(here, "parts"), filepath.Join(here, "internal/recipe"),
		filepath.Join(here, "internal/image"), filepath.Join(here, "internal/debian"))
	if err != nil {
		return nil, err
	}
	return &Book{store: store, source: source, code: code + runtime.Version()}, nil
}

func (b *Book) image(repository, tag string, make func(context.Context) (v1.Image, error)) Image {
	return Image{Repository: repository, Tag: tag, Key: step.Key(b.code, repository), Make: make}
}

// part is the folder of the pinned inputs of that name.
func (b *Book) part(name string) string {
	return filepath.Join(b.source, "e2e/cluster/parts", name)
}

// version is the version of a module that a part is pinned to.
func (b *Book) version(part, module string) (string, error) {
	content, err := os.ReadFile(filepath.Join(b.part(part), "go.mod"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(content)
	if found == nil {
		return "", fmt.Errorf("part %s does not require %s", part, module)
	}
	return string(found[1]), nil
}

// programs builds a part, a Go module of its own: its main package where it has
// one, otherwise the tools that its go.mod names. It returns the folder with
// the programs.
func (b *Book) programs(ctx context.Context, part, module string, flags ...string) (string, error) {
	title := "build: " + part
	if module != "" {
		version, err := b.version(part, module)
		if err != nil {
			return "", err
		}
		title += " " + version
	}
	inputs, err := step.Files(b.part(part))
	if err != nil {
		return "", err
	}
	what := "tool"
	if _, err := os.Stat(filepath.Join(b.part(part), "main.go")); err == nil {
		what = "."
	}
	args := append([]string{"CGO_ENABLED=0", "GOWORK=off", "GOARCH=amd64", "GOOS=linux",
		"go", "-C", b.part(part), "build", "-trimpath"}, flags...)
	return b.store.Run(ctx, step.Step{
		Name: title, Inputs: append([]string{inputs, runtime.Version()}, flags...),
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			return engine.Command(ctx, log, "env", append(args, "-o", dir+"/", what)...)
		},
	})
}

// layer saves files as a layer; from are the folders that they come from.
func (b *Book) layer(
	ctx context.Context, name string, from []string, files func() (image.Files, error),
) (string, error) {
	inputs := []string{b.code}
	for _, dir := range from {
		inputs = append(inputs, filepath.Base(dir))
	}
	return b.store.Run(ctx, step.Step{Name: name, Inputs: inputs, Cheap: true,
		Build: func(_ context.Context, dir string, _ io.Writer) error {
			all, err := files()
			if err != nil {
				return err
			}
			return image.SaveLayer(dir, all)
		},
	})
}

// debian is the one Debian root from which every image takes its share.
func (b *Book) debian(ctx context.Context) (debian.Root, error) {
	packages := append([]string{"haproxy", "python3", "python3-venv", "ca-certificates", "uidmap"}, nodePackages()...)
	return debian.Bootstrap(ctx, b.store, "bookworm", packages...)
}

// account is the one user of an image that does not run as root.
func account(name string, id int) image.Files {
	const shell = "/usr/sbin/nologin"
	return image.Files{
		"etc/passwd": image.Text(fmt.Sprintf("root:x:0:0::/:%[1]s\n%[2]s:x:%[3]d:%[3]d::/:%[1]s\n", shell, name, id)),
		"etc/group":  image.Text(fmt.Sprintf("root:x:0:\n%s:x:%d:\n", name, id)),
		"tmp":        {Mode: os.ModeDir | os.ModeSticky | 0o777},
	}
}
