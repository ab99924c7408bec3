// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/recipe"
)

// nodeNetwork is the container network that kind puts its nodes on.
const nodeNetwork = "kind"

const publishedRegistry = "docker.io/library/registry:3"

// registryRepository is what the engine calls the registry's own image.
const registryRepository = "kubectl-aml/registry"

func (s *session) registryName() string {
	return s.opts.Name + "-registry"
}

// registryHost is the registry's name for this machine and, by the nodes'
// configuration, for pods.
func (s *session) registryHost() string {
	return fmt.Sprintf("localhost:%d", s.opts.RegistryPort)
}

// network makes sure of the network that kind would make, and learns its range.
func (s *session) network(ctx context.Context) error {
	const format = "{{.Id}} {{(index .IPAM.Config 0).Subnet}}"
	about, err := s.docker.Do(ctx, "network", "inspect", nodeNetwork, "--format", format)
	if err != nil {
		if _, err := s.docker.Do(ctx, "network", "create", "--driver", "bridge", nodeNetwork); err != nil {
			return err
		}
		if about, err = s.docker.Do(ctx, "network", "inspect", nodeNetwork, "--format", format); err != nil {
			return err
		}
	}
	id, subnet, ok := strings.Cut(about, " ")
	if !ok || len(id) < 12 {
		return fmt.Errorf("docker network %s: unexpected description %q", nodeNetwork, about)
	}
	s.bridge, s.subnet = "br-"+id[:12], subnet
	return nil
}

// registry makes sure that the registry runs and answers.
func (s *session) registry(ctx context.Context) error {
	ref, err := s.registryImage(ctx)
	if err != nil {
		return err
	}
	id, err := s.docker.Do(ctx, "image", "inspect", "--format", "{{.Id}}", ref)
	if err != nil {
		return err
	}
	identity := fmt.Sprintf("%s %d", id, s.opts.RegistryPort)
	if s.published {
		identity += " deletes" // by itself this one does not
	}
	is, err := s.docker.Do(ctx, "ps", "--filter", "name=^/?"+s.registryName()+"$", "--format", `{{.Label "aml.registry"}}`)
	if err != nil || is == identity && s.registryAnswers(ctx) == nil {
		return err
	}
	return s.store.Watch(ctx, "registry "+s.registryHost(), "started", func(ctx context.Context, _ io.Writer) error {
		// A run that was killed may have left what deletes layers at work.
		for _, name := range []string{s.collectorName(), s.registryName()} {
			if err := s.removeContainer(ctx, name); err != nil {
				return err
			}
		}
		_, err := s.docker.Do(ctx, "run", "--detach", "--name", s.registryName(), "--restart", "unless-stopped",
			"--label", "aml.registry="+identity, "--network", nodeNetwork, "--env", "REGISTRY_STORAGE_DELETE_ENABLED=true",
			"--publish", fmt.Sprintf("127.0.0.1:%d:5000", s.opts.RegistryPort),
			"--volume", s.registryName()+":/var/lib/registry", ref)
		if err != nil {
			return err
		}
		return poll(ctx, 2*time.Minute, s.registryAnswers)
	})
}

// registryAnswers is nil once the registry answers.
func (s *session) registryAnswers(ctx context.Context) error {
	_, err := image.Digest(ctx, s.registryHost()+"/none:none")
	return err
}

// registryImage makes sure that the engine has the registry's own image.
func (s *session) registryImage(ctx context.Context) (string, error) {
	if s.published {
		return publishedRegistry, s.pull(ctx, publishedRegistry)
	}
	made := s.book.Registry()
	ref := registryRepository + ":" + made.Key
	if s.hasImage(ctx, ref) {
		return ref, nil
	}
	img, err := made.Make(ctx)
	if err != nil {
		return "", err
	}
	var archive bytes.Buffer
	if err := image.Save(&archive, ref, img); err != nil {
		return "", err
	}
	_, err = s.docker.Pipe(ctx, &archive, "load", "--quiet")
	return ref, err
}

// hasImage tells whether the engine has an image.
func (s *session) hasImage(ctx context.Context, ref string) bool {
	_, err := s.docker.Do(ctx, "image", "inspect", "--format", "{{.Id}}", ref)
	return err == nil
}

// pull makes sure that the engine has an image that a registry has.
func (s *session) pull(ctx context.Context, ref string) error {
	if s.hasImage(ctx, ref) {
		return nil
	}
	return s.store.Watch(ctx, "pull "+ref, "done", func(ctx context.Context, _ io.Writer) error {
		_, err := s.docker.Do(ctx, "pull", "--quiet", ref)
		return err
	})
}

// push makes sure that the registry has the image, and returns its reference by digest.
func (s *session) push(ctx context.Context, made recipe.Image) (string, error) {
	repository := s.registryHost() + "/" + made.Repository
	byKey := repository + ":" + made.Key
	digest, err := image.Digest(ctx, byKey)
	if err != nil {
		return "", err
	}
	if digest == "" || made.Tag != "" && !s.hasTag(ctx, repository+":"+made.Tag, digest) {
		img, err := made.Make(ctx)
		if err != nil {
			return "", err
		}
		s.pushed = true
		err = s.store.Watch(ctx, "push "+made.Repository, "done", func(ctx context.Context, _ io.Writer) error {
			if made.Tag != "" {
				if _, err := image.Push(ctx, repository+":"+made.Tag, img); err != nil {
					return err
				}
			}
			digest, err = image.Push(ctx, byKey, img)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return repository + "@" + digest, nil
}

func (s *session) hasTag(ctx context.Context, ref, digest string) bool {
	is, err := image.Digest(ctx, ref)
	return err == nil && is == digest
}

// hostsFile sends containerd to the registry of that name on the nodes' network.
func hostsFile(registry string) string {
	address := "http://" + registry + ":5000"
	return fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", address, address)
}
