// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Definitions are the environments that are registered by name: each one is an
// artifact in REGISTRY/environments/NAME, tagged with its version, and its layers
// are the files of its folder. The images of environments are in
// REGISTRY/environments; they are found by what they are made of, and have no names.
//
// What a registry answers is told as a *RegistryError, an environment that is not
// there as a *NoEnvironmentError.
type Definitions struct {
	// Registry is HOST[/PATH].
	Registry string
	Options  Options
}

// Definition is a registered environment. In JSON it has the names of Azure ML.
type Definition struct {
	// ID is NAME:VERSION.
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
	// CreatedTime is when it was registered, in UTC.
	CreatedTime time.Time `json:"createdTime"`
	// URL is oci://REPOSITORY@sha256:DIGEST.
	URL string `json:"url"`

	files []v1.Descriptor
}

// NoEnvironmentError says that an environment, or the version asked for, is not
// registered.
type NoEnvironmentError struct {
	// Environment is NAME or NAME:VERSION as it was asked for.
	Environment string
	// Registry is where it was looked for.
	Registry string
	// Versions are those that there are, in order.
	Versions []int
}

// Error names the versions there are.
func (e *NoEnvironmentError) Error() string {
	if len(e.Versions) == 0 {
		name, _, _ := strings.Cut(e.Environment, ":")
		return fmt.Sprintf("no environment %q is registered in %s", name, e.Registry)
	}
	return fmt.Sprintf("environment %s is not registered in %s: there are the versions %s", e.Environment, e.Registry,
		listed(e.Versions))
}

// Beside is e with what another registry, which was asked before, has not either;
// nil is none.
func (e *NoEnvironmentError) Beside(other *NoEnvironmentError) *NoEnvironmentError {
	switch {
	case other == nil:
		return e
	case len(e.Versions) == 0 && len(other.Versions) > 0:
		return other
	case len(e.Versions) > 0:
		return e
	}
	return &NoEnvironmentError{Environment: e.Environment, Registry: other.Registry + ", " + e.Registry}
}

const (
	definitionArtifact = "application/vnd.kubectl-aml.environment.v1"
	definitionKey      = "kubectl-aml/environment"
	// definitionFile is the media type of a file, whatever is in it.
	definitionFile = types.MediaType("application/vnd.kubectl-aml.environment.file.v1")
	// longestFile is the most that a file may have: they are written by people.
	longestFile = 1 << 20
	// mostFiles is more than any version of the plugin writes.
	mostFiles = 16
)

// definitionRecord is what definitionKey holds.
type definitionRecord struct {
	Name        string    `json:"name"`
	Version     int       `json:"version"`
	CreatedTime time.Time `json:"createdTime"`
}

// catalogue is the repository of one environment.
type catalogue struct {
	store
	environment, registry string
}

func (d Definitions) root() (name.Repository, error) {
	return repositoryIn(d.Registry, "environments", d.Options)
}

func (d Definitions) catalogue(environment string) (catalogue, error) {
	if !modelName.MatchString(environment) {
		return catalogue{}, fmt.Errorf("environment name %q is not valid: write up to 255 letters, digits, -, . and _, "+
			"not beginning with a sign", environment)
	}
	root, err := d.root()
	if err != nil {
		return catalogue{}, err
	}
	repo := root.Repo(root.RepositoryStr(), repositoryName(environment))
	return catalogue{newStore(repo, "register "+environment, d.Options), environment, d.Registry}, nil
}

// Register keeps the files of an environment's folder as its next version: one more
// than the highest there is, or wanted if that is a number up to HighestVersion that is
// free. files gives them by name, once the version is known. Of any number that register at the same
// time each gets a version of its own, as with Models.Register.
func (d Definitions) Register(
	ctx context.Context, environment string, wanted int, files func(version int) (map[string][]byte, error),
) (Definition, error) {
	c, err := d.catalogue(environment)
	if err != nil {
		return Definition{}, err
	}
	if err := checkFiles(files); err != nil {
		return Definition{}, err
	}
	version, release, err := c.claimNumber(ctx, wanted)
	if err != nil {
		return Definition{}, err
	}
	// Also when ctx has ended: a claim that stays leaves a number out.
	defer release(context.WithoutCancel(ctx))
	kept, err := files(version)
	if err != nil {
		return Definition{}, err
	}
	return c.fill(ctx, version, kept)
}

// checkFiles refuses what is too long before a number is taken.
func checkFiles(files func(version int) (map[string][]byte, error)) error {
	kept, err := files(1)
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range slices.Sorted(maps.Keys(kept)) {
		if len(kept[file]) > longestFile {
			errs = append(errs, fmt.Errorf("%s has more than 1 MiB: leave out what does not belong there", file))
		}
	}
	return errors.Join(errs...)
}

// fill writes a version whose number has been taken.
func (c catalogue) fill(ctx context.Context, version int, files map[string][]byte) (Definition, error) {
	d := Definition{Name: c.environment, Version: version, CreatedTime: c.clock.Now().UTC()}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		l := static.NewLayer(files[file], definitionFile)
		if err := remote.WriteLayer(c.repo, l, c.options(ctx)...); err != nil {
			return Definition{}, explain(err, pushTo, c.repo.Name())
		}
		digest, err := l.Digest()
		if err != nil {
			return Definition{}, err
		}
		d.files = append(d.files, v1.Descriptor{MediaType: definitionFile, Size: int64(len(files[file])), Digest: digest,
			Annotations: map[string]string{fileTitle: file}})
	}
	note, err := json.Marshal(definitionRecord{Name: d.Name, Version: version, CreatedTime: d.CreatedTime})
	if err != nil {
		return Definition{}, err
	}
	a, err := newArtifact(definitionArtifact, []byte(emptyContent), emptyConfig, d.files,
		map[string]string{definitionKey: string(note)})
	if err != nil {
		return Definition{}, err
	}
	digest, err := c.putAlone(ctx, strconv.Itoa(version), a)
	return d.at(c.repo, digest), err
}

// at is d with what follows from where it is.
func (d Definition) at(repo name.Repository, digest v1.Hash) Definition {
	d.ID = Model{Name: d.Name, Version: d.Version}.String()
	d.URL = artifactScheme + repo.Name() + "@" + digest.String()
	return d
}

// Find returns the environment called name: the version given, or with 0 the highest.
func (d Definitions) Find(ctx context.Context, environment string, version int) (Definition, error) {
	c, err := d.catalogue(environment)
	if err != nil {
		return Definition{}, err
	}
	if version > 0 {
		found, err := c.read(ctx, version)
		if statusOf(err) != http.StatusNotFound {
			return found, err
		}
	}
	seen, err := c.look(ctx)
	if err != nil {
		return Definition{}, err
	}
	if version == 0 && len(seen.versions) > 0 {
		return c.read(ctx, seen.versions[len(seen.versions)-1])
	}
	return Definition{}, &NoEnvironmentError{Environment: Model{Name: environment, Version: version}.String(),
		Registry: d.Registry, Versions: seen.versions}
}

// read gets the environment that a tag names.
func (c catalogue) read(ctx context.Context, version int) (Definition, error) {
	tag := c.repo.Tag(strconv.Itoa(version))
	got, err := remote.Get(tag, c.options(ctx)...)
	if err != nil {
		return Definition{}, explain(err, "read", tag.Name())
	}
	d, err := readDefinition(got.Manifest)
	if err == nil && (d.Version != version || repositoryName(d.Name) != path.Base(c.repo.RepositoryStr()) ||
		c.environment != "" && d.Name != c.environment) {
		err = fmt.Errorf("it is environment %s:%d", d.Name, d.Version)
	}
	if err != nil {
		return Definition{}, &foreignError{fmt.Errorf("%s is no registered environment: %w", tag.Name(), err)}
	}
	return d.at(c.repo, got.Digest), nil
}

// foreignError says that something is there, and that others have made it.
type foreignError struct{ error }

// readDefinition reads what fill wrote, and refuses anything else.
func readDefinition(manifest []byte) (Definition, error) {
	m, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		return Definition{}, fmt.Errorf("it is no manifest: %w", err)
	}
	var r definitionRecord
	if err := json.Unmarshal([]byte(m.Annotations[definitionKey]), &r); err != nil || r.Version < 1 ||
		m.ArtifactType != definitionArtifact || !modelName.MatchString(r.Name) {
		return Definition{}, errors.New("it was not made by environment register")
	}
	if len(m.Layers) > mostFiles {
		return Definition{}, errors.New("it has more files than environment register writes")
	}
	for _, l := range m.Layers {
		if l.Size > longestFile || l.Annotations[fileTitle] == "" {
			return Definition{}, errors.New("it has files that environment register does not write")
		}
	}
	return Definition{Name: r.Name, Version: r.Version, CreatedTime: r.CreatedTime, files: m.Layers}, nil
}

// Files reads the files of d by their names, as Register was given them.
func (d Definitions) Files(ctx context.Context, definition Definition) (map[string][]byte, error) {
	c, err := d.catalogue(definition.Name)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, l := range definition.files {
		blob, err := remote.Layer(c.repo.Digest(l.Digest.String()), c.options(ctx)...)
		if err != nil {
			return nil, explain(err, "read", c.repo.Name())
		}
		text, err := readAll(blob)
		switch {
		case errors.As(err, new(*foreignError)):
			return nil, fmt.Errorf("%s: %w", definition.URL, err)
		case err != nil:
			return nil, explain(err, "read", c.repo.Name())
		}
		files[l.Annotations[fileTitle]] = text
	}
	return files, nil
}

// readAll reads a file, whose digest is checked meanwhile. What a manifest says of its
// length is not believed.
func readAll(blob v1.Layer) (text []byte, err error) {
	stream, err := blob.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	text, err = io.ReadAll(io.LimitReader(stream, longestFile+1))
	if err == nil && len(text) > longestFile {
		err = &foreignError{errors.New("a file has more than 1 MiB: it was not made by environment register")}
	}
	return text, err
}

// List returns the registered environments by name, and the versions of each by
// number: of all, or of the one named. Without a name the registry must be one that
// lists its repositories. None is no error.
func (d Definitions) List(ctx context.Context, environment string) ([]Definition, error) {
	all, err := d.catalogues(ctx, environment)
	if err != nil {
		return nil, err
	}
	var found []Definition
	for _, c := range all {
		seen, err := c.look(ctx)
		if err != nil {
			return nil, err
		}
		versions, err := each(ctx, seen.versions, c.listed)
		if err != nil {
			return nil, err
		}
		found = append(found, versions...)
	}
	found = slices.DeleteFunc(found, func(d Definition) bool { return d.Version == 0 })
	slices.SortStableFunc(found, func(a, b Definition) int {
		return compareModels(Model{Name: a.Name, Version: a.Version}, Model{Name: b.Name, Version: b.Version})
	})
	return found, nil
}

// listed reads a version. One that is gone meanwhile, or is something else, is the
// zero Definition.
func (c catalogue) listed(ctx context.Context, version int) (Definition, error) {
	d, err := c.read(ctx, version)
	if statusOf(err) == http.StatusNotFound || errors.As(err, new(*foreignError)) {
		return Definition{}, nil
	}
	return d, err
}

// catalogues are the repositories of environments: that of the one named, or all. Of
// the latter, only the repository is known.
func (d Definitions) catalogues(ctx context.Context, environment string) ([]catalogue, error) {
	if environment != "" {
		c, err := d.catalogue(environment)
		return []catalogue{c}, err
	}
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	repos, err := repositoriesIn(ctx, root, "environments in "+d.Registry, d.Options)
	var all []catalogue
	for _, repo := range repos {
		all = append(all, catalogue{store: newStore(repo, "list environments", d.Options), registry: d.Registry})
	}
	return all, err
}
