// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Check returns everything that is wrong with i, joined.
func (i ModelInfo) Check() error {
	var errs []error
	if i.Framework != "" && !slices.Contains(Frameworks(), i.Framework) {
		errs = append(errs, fmt.Errorf("framework %q is not known: write one of %s", i.Framework,
			strings.Join(Frameworks(), ", ")))
	}
	if i.FrameworkVersion != "" && i.Framework == "" {
		errs = append(errs, errors.New("the framework's version is given without a framework: name it too"))
	}
	if r := i.Resources; r != nil && (r.CPU < 0 || r.MemoryInGB < 0 || r.GPU < 0) {
		errs = append(errs, errors.New("resources must be greater than 0: cpu in cores, memory in GB, gpu a whole number"))
	}
	for _, m := range []map[string]string{i.Tags, i.Properties} {
		if _, ok := m[""]; ok {
			errs = append(errs, errors.New("a tag or property has no name: write NAME=VALUE"))
		}
	}
	return errors.Join(errs...)
}

// Filter says which models List returns. The zero Filter is all.
type Filter struct {
	// Name is that of one model; empty is every model.
	Name string
	// Latest leaves all versions out but the highest of each model.
	Latest bool
	// Match tells which of the models are wanted; nil is all.
	Match func(Registered) bool
}

// List returns the registered models by name, and the versions of each by number.
// Without a name the registry must be one that lists its repositories. No model
// is no error.
func (m Models) List(ctx context.Context, f Filter) ([]Registered, error) {
	shelves, err := m.shelves(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	var found []Registered
	for _, s := range shelves {
		models, err := s.list(ctx, f.Latest)
		if err != nil {
			return nil, err
		}
		found = append(found, models...)
	}
	if f.Match != nil {
		found = slices.DeleteFunc(found, func(r Registered) bool { return !f.Match(r) })
	}
	slices.SortStableFunc(found, func(a, b Registered) int { return compareModels(a.Model(), b.Model()) })
	return found, nil
}

// shelves are the repositories of models: that of the one named, or all. Of the
// latter, only the repository is known until a model in it is read.
func (m Models) shelves(ctx context.Context, model string) ([]shelf, error) {
	if model != "" {
		s, err := m.shelf(model)
		return []shelf{s}, err
	}
	root, err := m.root()
	if err != nil {
		return nil, err
	}
	repos, err := repositoriesIn(ctx, root, "models in "+m.Registry, m.Options)
	if err != nil {
		return nil, err
	}
	var shelves []shelf
	for _, repo := range repos {
		s, err := m.shelf("x")
		if err != nil {
			return nil, err
		}
		s.model, s.repo = "", repo
		shelves = append(shelves, s)
	}
	return shelves, nil
}

// repositoriesIn are those right below root. Whatever is below them is somebody
// else's. what they are is for messages, such as "models in HOST".
func repositoriesIn(ctx context.Context, root name.Repository, what string, o Options) ([]name.Repository, error) {
	all, err := remote.Catalog(ctx, root.Registry, o.remoteOptions(ctx, newTransport(o))...)
	if err != nil {
		kind, where, _ := strings.Cut(what, " in ")
		return nil, noCatalog(explain(err, "list the "+kind+" in", where), strings.TrimSuffix(kind, "s"))
	}
	var repos []name.Repository
	for _, repo := range all {
		if dir, base := path.Split(repo); dir == root.RepositoryStr()+"/" {
			repos = append(repos, root.Repo(root.RepositoryStr(), base))
		}
	}
	return repos, nil
}

// noCatalog says what to do where a registry does not list its repositories.
func noCatalog(err error, kind string) error {
	var told *RegistryError
	if !errors.As(err, &told) {
		return err
	}
	switch told.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		told.what = fmt.Sprintf("the registry does not list its repositories to you (%d)", told.Status)
		told.Advice = "name one " + kind + ", or log in as somebody who may see the catalog"
	}
	return err
}

// list reads the versions.
func (s shelf) list(ctx context.Context, latest bool) ([]Registered, error) {
	seen, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	versions := seen.versions
	if latest && len(versions) > 0 {
		versions = versions[len(versions)-1:]
	}
	found, err := each(ctx, versions, s.listed)
	return slices.DeleteFunc(found, func(r Registered) bool { return r.Version == 0 }), err
}

// each reads versions, a few at a time, and returns them in order.
func each[T any](ctx context.Context, versions []int, read func(context.Context, int) (T, error)) ([]T, error) {
	found := make([]T, len(versions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, version := range versions {
		group.Go(func() error {
			var err error
			found[i], err = read(ctx, version)
			return err
		})
	}
	return found, group.Wait()
}

// listed reads a version. One that was deleted meanwhile, or is something else
// than a model, is the zero Registered.
func (s shelf) listed(ctx context.Context, version int) (Registered, error) {
	tag := s.repo.Tag(strconv.Itoa(version))
	got, err := remote.Get(tag, s.options(ctx)...)
	switch {
	case statusOf(err) == http.StatusNotFound:
		return Registered{}, nil
	case err != nil:
		return Registered{}, explain(err, "read", tag.Name())
	}
	r, err := readArtifact(got.Manifest, got.Digest, s.repo.Name())
	if err != nil || r.Version != version || repositoryName(r.Name) != path.Base(s.repo.RepositoryStr()) ||
		s.model != "" && s.model != r.Name {
		return Registered{}, nil
	}
	return r, nil
}

// Change is what Update changes.
type Change struct {
	// Description and Resources are kept when nil.
	Description *string
	Resources   *Resources
	// SetTags are added or get another value, RemoveTags are names of tags that
	// go; one that is not there is no error.
	SetTags    map[string]string
	RemoveTags []string
	// AddProperties must not be there yet with another value: properties never
	// change.
	AddProperties map[string]string
}

// Update changes what is said of a model; its files stay as they are. Of two
// updates at the same time, one may be lost: registries cannot compare before
// they write.
func (m Models) Update(ctx context.Context, name string, version int, c Change) (Registered, error) {
	s, err := m.shelf(name)
	if err != nil {
		return Registered{}, err
	}
	old, err := s.find(ctx, version)
	if err != nil {
		return Registered{}, err
	}
	info, err := c.apply(old)
	if err != nil {
		return Registered{}, err
	}
	next := old
	next.ModelInfo = info
	if next, err = s.tag(ctx, next); err != nil || next.digest == old.digest {
		return next, err
	}
	// What is without a tag is in nobody's way if it cannot be deleted.
	if err := s.remove(ctx, old.digest); err != nil {
		s.o.log("the manifest before the change stays in " + s.repo.Name() + " without a tag")
	}
	return next, nil
}

func (c Change) apply(r Registered) (ModelInfo, error) {
	info := r.ModelInfo
	if c.Description != nil {
		info.Description = *c.Description
	}
	if c.Resources != nil {
		info.Resources = c.Resources
	}
	info.Tags = with(info.Tags, c.SetTags)
	for _, tag := range c.RemoveTags {
		delete(info.Tags, tag)
	}
	errs := []error{}
	for _, key := range slices.Sorted(maps.Keys(c.AddProperties)) {
		if now, ok := r.Properties[key]; ok && now != c.AddProperties[key] {
			errs = append(errs, fmt.Errorf("property %q of model %s is %q, and properties never change: "+
				"use a tag, or another name", key, r.ID, now))
		}
	}
	info.Properties = with(info.Properties, c.AddProperties)
	return info, errors.Join(append(errs, info.Check())...)
}

func with(now, more map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, now)
	maps.Copy(out, more)
	return out
}

// Delete deletes a version for good; with 0 the highest. Its number is not given
// to another one. Images that were made with it keep its files. Registries that
// refuse deletion are told of as such.
func (m Models) Delete(ctx context.Context, name string, version int) (Registered, error) {
	s, err := m.shelf(name)
	if err != nil {
		return Registered{}, err
	}
	r, err := s.find(ctx, version)
	if err != nil {
		return Registered{}, err
	}
	seen, err := s.look(ctx)
	if err != nil {
		return Registered{}, err
	}
	// Claims above do not count: who has one may give it up.
	if !slices.ContainsFunc(seen.versions, func(v int) bool { return v > r.Version }) {
		if err := s.write(ctx, claim{of: strconv.Itoa(r.Version), owner: deletedOwner}); err != nil {
			return Registered{}, err
		}
	}
	return r, s.remove(ctx, r.digest, strconv.Itoa(r.Version))
}

// source is where the layer of r lies.
func (r Registered) source(o Options) (name.Digest, error) {
	return name.NewDigest(strings.TrimPrefix(r.URL, "oci://"), o.nameOptions()...)
}

// weights reads the layer of r from its registry.
func (r Registered) weights(ctx context.Context, o Options, t http.RoundTripper) (v1.Layer, error) {
	from, err := r.source(o)
	if err != nil {
		return nil, err
	}
	l, err := remote.Layer(from.Context().Digest(r.layer.Digest.String()), o.remoteOptions(ctx, t)...)
	if err != nil {
		return nil, explain(err, "read", from.Name())
	}
	return l, nil
}
