// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/utils/clock"
)

// store is a repository that things are kept in by tag.
type store struct {
	repo    name.Repository
	o       Options
	traffic *countingTransport
	clock   clock.Clock
	// doing is what is being done, for messages: "register NAME".
	doing string
}

func newStore(repo name.Repository, doing string, o Options) store {
	return store{repo: repo, o: o, traffic: newTransport(o), clock: o.clock(), doing: doing}
}

// CheckRegistry refuses what is not written as HOST[/PATH]. Nothing is asked.
func CheckRegistry(registry string) error {
	_, err := repositoryIn(registry, "models", Options{})
	return err
}

// CheckName refuses a repository that Package would refuse and, unless it is empty, a
// tag that Tag would refuse, both at once. Nothing is asked.
func CheckName(repository, tag string) error {
	_, err := parseRepository(repository, Options{})
	if tag == "" {
		return err
	}
	_, wrong := parseTag("localhost/name", tag, Options{})
	return errors.Join(err, wrong)
}

// repositoryIn is a repository of a registry, which is HOST[/PATH].
func repositoryIn(registry, repository string, o Options) (name.Repository, error) {
	repo, err := name.NewRepository(path.Join(strings.TrimSuffix(registry, "/"), repository), o.nameOptions()...)
	if err != nil || registry == "" || strings.Contains(registry, "://") {
		return name.Repository{}, fmt.Errorf("registry %q is not valid: write it as HOST or HOST/PATH in lower case, "+
			"such as example.azurecr.io", registry)
	}
	return repo, nil
}

func (s store) options(ctx context.Context) []remote.Option { return s.o.remoteOptions(ctx, s.traffic) }

// put writes an artifact under a tag and returns its digest.
func (s store) put(ctx context.Context, tag string, a artifact) (v1.Hash, error) {
	if err := remote.WriteLayer(s.repo, a.config, s.options(ctx)...); err != nil {
		return v1.Hash{}, explain(err, pushTo, s.repo.Name())
	}
	if err := remote.Put(s.repo.Tag(tag), a, s.options(ctx)...); err != nil {
		return v1.Hash{}, explain(err, pushTo, s.repo.Name())
	}
	return a.digest()
}

// putAlone is put that looks whether what it wrote stayed.
func (s store) putAlone(ctx context.Context, tag string, a artifact) (v1.Hash, error) {
	digest, err := s.put(ctx, tag, a)
	if err != nil {
		return v1.Hash{}, err
	}
	now, err := s.digestOf(ctx, tag)
	if err == nil && now != digest {
		err = fmt.Errorf("the tag %s was written to by somebody else at the same time: try again", s.repo.Tag(tag).Name())
	}
	return digest, err
}

// digestOf is that of the manifest under a tag.
func (s store) digestOf(ctx context.Context, tag string) (v1.Hash, error) {
	desc, err := remote.Head(s.repo.Tag(tag), s.options(ctx)...)
	if err != nil {
		return v1.Hash{}, explain(err, "look up", s.repo.Tag(tag).Name())
	}
	return desc.Digest, nil
}

// remove deletes a manifest and the tags that name it. Most registries delete the
// tags with the manifest, some have to be asked.
func (s store) remove(ctx context.Context, digest v1.Hash, tags ...string) error {
	refs := []name.Reference{s.repo.Digest(digest.String())}
	for _, tag := range tags {
		refs = append(refs, s.repo.Tag(tag))
	}
	for i, ref := range refs {
		if i > 0 {
			if now, err := s.digestOf(ctx, ref.Identifier()); err != nil || now != digest {
				continue // gone, or somebody else's
			}
		}
		if err := remote.Delete(ref, s.options(ctx)...); err != nil && statusOf(err) != http.StatusNotFound {
			return refusedDeletion(explain(err, "delete", ref.Name()))
		}
	}
	return nil
}

// refusedDeletion says what to do where a registry deletes nothing.
func refusedDeletion(err error) error {
	var told *RegistryError
	if errors.As(err, &told) && (told.Status == http.StatusMethodNotAllowed || told.Status == http.StatusBadRequest) {
		told.what = fmt.Sprintf("the registry refuses deletion (%d)", told.Status)
		told.Advice = "allow it in the registry's configuration, or use the registry's own tools"
	}
	return err
}

// digestIf is digestOf for a tag that may not be there.
func (s store) digestIf(ctx context.Context, tag string) (digest v1.Hash, there bool, err error) {
	digest, err = s.digestOf(ctx, tag)
	if statusOf(err) == http.StatusNotFound {
		return v1.Hash{}, false, nil
	}
	return digest, err == nil, err
}

// tags lists them. A repository that is not there has none.
func (s store) tags(ctx context.Context) ([]string, error) {
	tags, err := remote.List(s.repo, s.options(ctx)...)
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "list the tags in", s.repo.Name())
	}
	return tags, nil
}

func (s store) pause(ctx context.Context, d time.Duration) error {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("cannot %s: %w", s.doing, ctx.Err())
	case <-timer.C():
		return nil
	}
}

// statusOf is what the registry answered; 0 when err is not such an answer.
func statusOf(err error) int {
	var told *RegistryError
	var answer *transport.Error
	switch {
	case errors.As(err, &told):
		return told.Status
	case errors.As(err, &answer):
		return answer.StatusCode
	default:
		return 0
	}
}
