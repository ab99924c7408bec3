// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/recipe"
)

// publishedPython is what Python stands for where it can be pulled.
const publishedPython = "docker.io/library/python:3.11-slim-bookworm"

// state is what a cluster was made of, kept beside its kubeconfig.
type state struct {
	Published bool   // from published images
	NodeImage string // reference of the nodes' image
	Complete  bool   // the nodes were made to the end
}

func (s *session) statePath() string {
	return filepath.Join(s.folder(), "state.json")
}

// load is the state kept; the zero state where there is none that can be read.
func (s *session) load() (state, bool) {
	var st state
	content, err := os.ReadFile(s.statePath())
	if err != nil || json.Unmarshal(content, &st) != nil {
		return state{}, false
	}
	return st, true
}

func (s *session) save(st state) error {
	content, err := json.Marshal(st)
	if err != nil {
		return err
	}
	next := s.statePath() + ".next"
	return errors.Join(os.MkdirAll(s.folder(), 0o755), os.WriteFile(next, content, 0o644), os.Rename(next, s.statePath()))
}

// decide chooses between published images and our own: as the cluster that
// there is was made, otherwise by asking for kind's node image once.
func (s *session) decide(ctx context.Context) error {
	if st, ok := s.load(); ok {
		s.published = st.Published
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tag, _, _ := strings.Cut(defaults.Image, "@")
	digest, err := image.Digest(ctx, tag)
	s.published = err == nil && digest != ""
	if !s.published {
		s.store.Say("image registry … not reached, images are put together here")
	}
	return nil
}

// nodeImage makes sure of the nodes' image, and of the images that kubeadm's
// pods name, and returns its reference.
func (s *session) nodeImage(ctx context.Context) (string, error) {
	if s.published {
		return defaults.Image, nil
	}
	wanted, err := s.book.ControlPlane()
	if err != nil {
		return "", err
	}
	for _, made := range wanted {
		if _, err := s.push(ctx, made); err != nil {
			return "", err
		}
	}
	ref, err := s.push(ctx, s.book.Node())
	if err != nil {
		return "", err
	}
	return ref, s.pull(ctx, ref)
}

// images makes sure that the registry has the images of kubectl-aml's own.
func (s *session) images(ctx context.Context) (Images, error) {
	if s.published {
		environment, err := s.environment(ctx, recipe.ScoringPart)
		return Images{Environment: environment, Python: publishedPython}, err
	}
	var images Images
	for _, wanted := range []struct {
		made recipe.Image
		ref  *string
	}{
		{s.book.Router(), &images.Router}, {s.book.Limiter(), &images.Limiter},
		{s.book.Environment(recipe.ScoringPart), &images.Environment},
		{s.book.BuildKit(), &images.BuildKit}, {s.book.Python(), &images.Python},
	} {
		ref, err := s.push(ctx, wanted.made)
		if err != nil {
			return Images{}, err
		}
		*wanted.ref = ref
	}
	return images, nil
}

// environment makes sure that the registry has the scoring environment of a part.
func (s *session) environment(ctx context.Context, part string) (string, error) {
	if s.published {
		return s.buildEnvironment(ctx, part)
	}
	return s.push(ctx, s.book.Environment(part))
}

// buildEnvironment builds a scoring environment from the published Python image.
func (s *session) buildEnvironment(ctx context.Context, part string) (string, error) {
	folder, key, err := s.book.EnvironmentContext(part)
	if err != nil {
		return "", err
	}
	repository := s.registryHost() + "/aml/" + part
	digest, err := image.Digest(ctx, repository+":"+key)
	if err != nil || digest != "" {
		return repository + "@" + digest, err
	}
	err = s.store.Watch(ctx, part+": docker build", "done", func(ctx context.Context, _ io.Writer) error {
		if _, err := s.docker.Do(ctx, "build", "--quiet", "--tag", repository+":"+key, folder); err != nil {
			return err
		}
		_, err := s.docker.Do(ctx, "push", "--quiet", repository+":"+key)
		return err
	})
	if err != nil {
		return "", err
	}
	if digest, err = image.Digest(ctx, repository+":"+key); err == nil && digest == "" {
		err = fmt.Errorf("%s:%s is not in the registry after it was pushed", repository, key)
	}
	return repository + "@" + digest, err
}
