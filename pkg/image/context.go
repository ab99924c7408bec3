// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// The folders of a build context are those of Azure ML.
const (
	contextApp    = "azureml-app"
	contextModels = "azureml-models"
)

// WriteContext writes what Package would push as the folder of a build: a
// Dockerfile, the code in azureml-app and the models in azureml-models. The image
// that it builds has the same files and variables, and serves when it is run. The
// image that is returned is not in any registry: it has no Reference.
//
// dir is made if it is not there, and refused if it holds something. Nothing is
// written outside of it, and nothing stays in it after an error. Errors are those of
// Package.
func WriteContext(ctx context.Context, src Source, dir string, o Options) (made Image, err error) {
	root, err := emptyFolder(dir)
	if err != nil {
		return Image{}, err
	}
	defer func() { _ = root.Close() }() // nothing is pending
	environment, err := parseImage(src.Environment, o)
	if err != nil {
		return Image{}, err
	}
	m, err := compose(ctx, src, environment.Context().Name(), o)
	if err != nil {
		return Image{}, err
	}
	text, err := contextDockerfile(m.about, src.Variables)
	if err != nil {
		return Image{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.RemoveAll(contextApp), root.RemoveAll(contextModels), root.RemoveAll("Dockerfile"))
		}
	}()
	for _, folder := range []string{contextApp, contextModels} {
		if err := root.MkdirAll(folder, 0o755); err != nil {
			return Image{}, fmt.Errorf("%s cannot be written to: %w", dir, reason(err))
		}
	}
	for _, l := range m.layers {
		o.log("writing " + l.name)
		if err := writeLayer(ctx, l, root); err != nil {
			return Image{}, explain(err, "read", l.name)
		}
	}
	if err := root.WriteFile("Dockerfile", []byte(text), 0o644); err != nil {
		return Image{}, fmt.Errorf("the Dockerfile cannot be written: %w", reason(err))
	}
	return m.about, nil
}

// emptyFolder opens a folder that holds nothing.
func emptyFolder(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s cannot be made: %w", dir, reason(err))
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", dir, reason(err))
	}
	if len(found) > 0 {
		return nil, fmt.Errorf("%s holds something already: name a folder that is empty or not there", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", dir, reason(err))
	}
	return root, nil
}

// dockerfileName are the names that ENV takes as they are.
var dockerfileName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// contextDockerfile is the text of the Dockerfile. A name or a value that it cannot
// hold is refused.
func contextDockerfile(i Image, variables map[string]string) (string, error) {
	var b strings.Builder
	var errs []error
	b.WriteString("FROM " + i.Environment + "\n")
	b.WriteString("COPY " + contextModels + "/ " + modelsRoot + "/\n")
	b.WriteString("COPY " + contextApp + "/ " + AppRoot + "/\n")
	for _, v := range i.variables(variables) {
		if !dockerfileName.MatchString(v.key) {
			errs = append(errs, fmt.Errorf("variable %q has a name that no Dockerfile can hold: rename it, or make the image",
				v.key))
		}
		if strings.ContainsAny(v.value, "\r\n") {
			errs = append(errs, fmt.Errorf("variable %s has a line break, which no Dockerfile can hold: write it without, "+
				"or make the image", v.key))
		}
		if !v.unset {
			b.WriteString("ENV " + v.key + "=" + inDockerfile(v.value) + "\n")
		}
	}
	b.WriteString("WORKDIR " + AppRoot + "\n")
	if i.EntryScript != "" {
		command, _ := json.Marshal(i.command()) // texts always can be
		b.WriteString("EXPOSE " + scoringPort + "\nENTRYPOINT []\nCMD " + string(command) + "\n")
	}
	return b.String(), errors.Join(errs...)
}

// inDockerfile quotes a value of ENV.
func inDockerfile(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
}

// writeLayer writes the files of a layer into the build context.
func writeLayer(ctx context.Context, l v1.Layer, root *os.Root) error {
	stream, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // only read from
	for archive := tar.NewReader(stream); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, stream) // the digest is checked at the end
			return err
		}
		if err != nil {
			return err
		}
		if err := writeContextEntry(ctx, root, h, archive); err != nil {
			return err
		}
	}
}

func writeContextEntry(ctx context.Context, root *os.Root, h *tar.Header, content io.Reader) error {
	name, ok := inContext(h.Name)
	if !ok {
		return nil // a folder above the app's
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return contextError(name, err)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return contextError(name, root.MkdirAll(name, 0o755))
	case tar.TypeSymlink:
		return contextError(name, root.Symlink(h.Linkname, name))
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm())
	if err != nil {
		return contextError(name, err)
	}
	out := &writeError{w: f}
	_, err = io.Copy(contextWriter{ctx, out}, content)
	if closed := f.Close(); out.err == nil {
		out.err = closed
	}
	if out.err != nil {
		return contextError(name, out.err)
	}
	return err
}

// inContext is where in the build context a file of the image is.
func inContext(file string) (string, bool) {
	file = strings.TrimSuffix(file, "/")
	if inner, ok := strings.CutPrefix(file, strings.TrimPrefix(modelsRoot, "/")+"/"); ok {
		return path.Join(contextModels, inner), fs.ValidPath(inner)
	}
	inner, ok := strings.CutPrefix(file, strings.TrimPrefix(AppRoot, "/")+"/")
	return path.Join(contextApp, inner), ok && fs.ValidPath(inner) && inner != contextModels
}

func contextError(name string, err error) error {
	if err == nil {
		return nil
	}
	return &localError{fmt.Errorf("%s cannot be written: %w", name, reason(err))}
}

// Tag gives an image that is in a registry, by digest, a tag, and returns the
// reference with it. A tag that is not valid is refused; errors are as in Package.
func Tag(ctx context.Context, pinned, tag string, o Options) (string, error) {
	ref, err := name.NewDigest(pinned, o.nameOptions()...)
	if err != nil {
		return "", fmt.Errorf("image %q is not pinned: write it as HOST/NAME@sha256:DIGEST", pinned)
	}
	to, err := parseTag(ref.Context().Name(), tag, o)
	if err != nil {
		return "", err
	}
	opts := o.remoteOptions(ctx, newTransport(o))
	got, err := remote.Get(ref, opts...)
	if err != nil {
		return "", explain(err, "read", pinned)
	}
	if err := remote.Tag(to, got, opts...); err != nil {
		return "", explain(err, pushTo, to.Name())
	}
	return to.Name(), nil
}

func parseTag(repository, tag string, o Options) (name.Tag, error) {
	to, err := name.NewTag(repository+":"+tag, append(o.nameOptions(), name.StrictValidation)...)
	if err != nil {
		return to, fmt.Errorf("label %q is not valid: write up to 128 letters, digits, _, . and -", tag)
	}
	return to, nil
}
