// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Models are the registered models of a registry: each one is an artifact in
// REGISTRY/models/NAME, tagged with its version. Its one layer is the layer that
// Package adds to an image, so deploying a registered model moves no file.
//
// What a registry answers is told as a *RegistryError, a model that is not there
// as a *NoModelError.
type Models struct {
	// Registry is HOST[/PATH].
	Registry string
	Options  Options
}

// NoModelError says that a model, or the version asked for, is not registered.
type NoModelError struct {
	// Model is NAME or NAME:VERSION as it was asked for.
	Model string
	// Registry is where it was looked for.
	Registry string
	// Versions are those that there are, in order.
	Versions []int
}

// Error names the versions there are.
func (e *NoModelError) Error() string {
	name, _, versioned := strings.Cut(e.Model, ":")
	if !versioned || len(e.Versions) == 0 {
		return fmt.Sprintf("no model %q is registered in %s: correct the name, or register it",
			name, e.Registry)
	}
	return fmt.Sprintf("model %s is not registered in %s: there are the versions %s", e.Model, e.Registry,
		listed(e.Versions))
}

// shelf is the repository of one model.
type shelf struct {
	store
	model string
	// registry is Models.Registry, for messages.
	registry string
}

var plainName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// Repositories have names in lower case and not every sign; models may be called
// more. Those get a name of their own, with a hash of the model's name at its end.
func repositoryName(model string) string {
	const longest = 100
	if plainName.MatchString(model) && len(model) <= longest {
		return model
	}
	plain := strings.Join(strings.FieldsFunc(strings.ToLower(model), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
	hash := sha256.Sum256([]byte(model))
	return strings.TrimSuffix(plain[:min(len(plain), longest)], "-") + "-" + hex.EncodeToString(hash[:5])
}

func (m Models) root() (name.Repository, error) {
	return repositoryIn(m.Registry, "models", m.Options)
}

func (m Models) shelf(model string) (shelf, error) {
	if !modelName.MatchString(model) {
		return shelf{}, fmt.Errorf("model name %q is not valid: write up to 255 letters, digits, -, . and _, "+
			"not beginning with a sign", model)
	}
	root, err := m.root()
	if err != nil {
		return shelf{}, err
	}
	repo := root.Repo(root.RepositoryStr(), repositoryName(model))
	return shelf{store: newStore(repo, "register "+model, m.Options), model: model, registry: m.Registry}, nil
}

// read gets the model that a tag names.
func (s shelf) read(ctx context.Context, version int) (Registered, error) {
	tag := s.repo.Tag(strconv.Itoa(version))
	got, err := remote.Get(tag, s.options(ctx)...)
	if err != nil {
		return Registered{}, explain(err, "read", tag.Name())
	}
	r, err := readArtifact(got.Manifest, got.Digest, s.repo.Name())
	if err == nil && (r.Name != s.model || r.Version != version) {
		err = fmt.Errorf("it is model %s", r.ID)
	}
	if err != nil {
		return Registered{}, fmt.Errorf("%s is not model %s:%d: %w", tag.Name(), s.model, version, err)
	}
	return r, nil
}

// Find returns the model called name: the version given, or with 0 the highest.
func (m Models) Find(ctx context.Context, name string, version int) (Registered, error) {
	s, err := m.shelf(name)
	if err != nil {
		return Registered{}, err
	}
	return s.find(ctx, version)
}

func (s shelf) find(ctx context.Context, version int) (Registered, error) {
	if version > 0 {
		r, err := s.read(ctx, version)
		if statusOf(err) != http.StatusNotFound {
			return r, err
		}
	}
	seen, err := s.look(ctx)
	if err != nil {
		return Registered{}, err
	}
	if version == 0 && len(seen.versions) > 0 {
		return s.read(ctx, seen.versions[len(seen.versions)-1])
	}
	return Registered{}, &NoModelError{Model: Model{Name: s.model, Version: version}.String(), Registry: s.registry,
		Versions: seen.versions}
}

// Register pushes a file, a folder or an artifact, oci://REFERENCE, as the next version of a model: one more than
// the highest there is or ever was. The path is refused as Package would. What is
// registered is complete when its tag is there.
//
// Any number may register versions of one model at the same time: each gets a
// number of its own, as long as the registry lists a tag to everybody once it has
// taken it. That does not hold for one that is replicated between regions and
// written to in several of them. A registration that dies halfway can leave a
// number out.
func (m Models) Register(ctx context.Context, name, file string, info ModelInfo) (Registered, error) {
	s, err := m.shelf(name)
	if err != nil {
		return Registered{}, err
	}
	_, err = s.content(ctx, Model{Name: name, Version: 1, Path: file})
	if err := errors.Join(info.Check(), err); err != nil {
		return Registered{}, err
	}
	version, release, err := s.claimNumber(ctx, 0)
	if err != nil {
		return Registered{}, err
	}
	// Also when ctx has ended: a claim that stays leaves a number out.
	defer release(context.WithoutCancel(ctx))
	return s.fill(ctx, Model{Name: name, Version: version, Path: file}, info)
}

// content is what the layer of a model holds: a file, a folder or the files of an
// artifact.
func (s shelf) content(ctx context.Context, m Model) (content, error) {
	c := content{name: "model " + m.String(), model: m}
	if _, artifact := m.Artifact(); !artifact {
		entries, err := modelEntries(m)
		c.entries = entries
		return c, err
	}
	p, _, err := artifactOf(ctx, m, s.o)
	c.pack = &p
	return c, err
}

// base is the name that the file or folder is stored under.
func (c content) base() string {
	if c.pack != nil {
		return c.pack.base
	}
	return baseName(c.model.Path)
}

// fill writes a version whose number has been taken.
func (s shelf) fill(ctx context.Context, model Model, info ModelInfo) (Registered, error) {
	c, err := s.content(ctx, model)
	if err != nil {
		return Registered{}, err
	}
	s.o.log("reading model " + model.String())
	l, err := newLayer(ctx, c, false)
	if err != nil {
		return Registered{}, err
	}
	s.traffic.progress.begin("pushing to " + s.repo.Name())
	err = remote.WriteLayer(s.repo, l, s.options(ctx)...)
	if changed := l.changed.Load(); changed != nil {
		return Registered{}, changed
	}
	if err != nil {
		return Registered{}, explain(err, pushTo, s.repo.Name())
	}
	info.Tags, info.Properties = with(nil, info.Tags), with(nil, info.Properties)
	r := Registered{ID: model.String(), Name: model.Name, Version: model.Version, ModelInfo: info,
		CreatedTime: s.clock.Now().UTC(), Size: l.size,
		layer: v1.Descriptor{MediaType: modelWeights, Size: l.size, Digest: l.digest,
			Annotations: map[string]string{filePath: c.base(),
				fileTitle: model.Name + "-" + strconv.Itoa(model.Version) + ".tar"}}}
	return s.tag(ctx, r)
}

// baseName is the name that modelEntries stores a file or folder under.
func baseName(file string) string {
	if full, err := filepath.Abs(file); err == nil {
		file = full
	}
	return filepath.Base(file)
}

// tag writes the manifest of r under its number, and looks whether it stayed.
func (s shelf) tag(ctx context.Context, r Registered) (Registered, error) {
	a, err := r.artifact()
	if err != nil {
		return Registered{}, err
	}
	if r.digest, err = s.putAlone(ctx, strconv.Itoa(r.Version), a); err != nil {
		return Registered{}, err
	}
	r.URL = "oci://" + s.repo.Name() + "@" + r.digest.String()
	return r, nil
}
