// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sweep takes away what is left of runs that are over: objects of the cluster and
// containers, which the next run needs the room of, then images. See sweepImages.
func (s *session) sweep(ctx context.Context, c *Cluster) error {
	others, err := underWay(s.runsFolder())
	if err != nil {
		return err
	}
	if err := s.sweepObjects(ctx, c, others); err != nil {
		return err
	}
	if err := s.sweepContainers(ctx, others); err != nil {
		return err
	}
	return s.sweepImages(ctx, c, others)
}

// sweepImages takes away the images of runs that are over from the registry, the
// engine and the nodes, and images of ours that newer ones have replaced. One that
// stays only takes room: that is told of, and left to the next sweep.
func (s *session) sweepImages(ctx context.Context, c *Cluster, others runs) error {
	gone, err := s.sweepRegistry(ctx, c, others)
	if err == nil {
		err = errors.Join(s.sweepEngine(ctx, gone), s.sweepNodes(ctx, c, gone))
	}
	if err == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.store.Say("warning: images that nothing needs take room until another run begins: %v", err)
	return s.registry(ctx) // it may be stopped
}

// sweepObjects deletes the objects of runs that are over, and waits until they are
// gone: what they take of a node, the next run needs.
func (s *session) sweepObjects(ctx context.Context, c *Cluster, others runs) error {
	list := metav1.ListOptions{LabelSelector: others.selector()}
	namespaces, err := c.client.CoreV1().Namespaces().List(ctx, list)
	if err != nil {
		return err
	}
	roles, err := c.client.RbacV1().ClusterRoles().List(ctx, list)
	if err != nil || len(namespaces.Items)+len(roles.Items) == 0 {
		return err
	}
	return s.store.Watch(ctx, "objects of tests that are over", "deleted", func(ctx context.Context, _ io.Writer) error {
		if err := s.sweepGateway(ctx, c, others); err != nil {
			return err
		}
		// Who deletes these last finds all of them if it is cut off.
		for _, what := range [][]string{
			{"deployments,services,serviceaccounts,secrets,configmaps", "--namespace", metav1.NamespaceDefault},
			{"clusterrolebindings"}, {"clusterroles"}, {"namespaces"},
		} {
			args := append([]string{"delete", "--timeout=5m", "--selector", others.selector()}, what...)
			if err := c.adminKubectl(ctx, "", args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweepGateway takes out Envoy Gateway if it was put in for a run that is over.
func (s *session) sweepGateway(ctx context.Context, c *Cluster, others runs) error {
	run, err := c.gatewayRun(ctx)
	if err != nil || !others.over(run) {
		return err
	}
	manifest, err := s.gatewayManifest(ctx)
	if err != nil {
		return err
	}
	crds, err := s.book.GatewayCRDs(ctx)
	if err != nil {
		return err
	}
	return c.removeGateway(ctx, manifest, string(crds))
}

// sweepContainers removes containers of runs that are over, and the nodes of clusters
// of kind that have their names.
func (s *session) sweepContainers(ctx context.Context, others runs) error {
	all, err := s.docker.Do(ctx, "ps", "--all", "--format",
		`{{.ID}},{{.Label "`+RunLabel+`"}},{{.Label "io.x-k8s.kind.cluster"}}`)
	if err != nil {
		return err
	}
	remove := []string{"rm", "--force", "--volumes"}
	for line := range strings.Lines(all) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if slices.ContainsFunc(fields[1:], others.over) {
			remove = append(remove, fields[0])
		}
	}
	if len(remove) == 3 {
		return nil
	}
	_, err = s.docker.Do(ctx, remove...)
	return err
}

// gone is what the registry does not have any more: images of all runs but those, and
// these images, HOST/NAME@DIGEST and HOST/NAME:TAG.
type gone struct {
	runs   runs
	images map[string]bool
}

// has tells whether an image is gone. Those of runs may come from a test's own host,
// which stands before the registry.
func (g gone) has(ref string) bool {
	_, path, _ := strings.Cut(ref, "/")
	path, ofRun := strings.CutPrefix(path, runsPath+"/")
	run, _, _ := strings.Cut(path, "/")
	return ofRun && g.runs.over(run) || g.images[ref]
}

// sweepEngine removes the engine's images that are gone from the registry, and
// those of nodes and of the registry that newer ones have replaced. The engine
// keeps those that a container has.
func (s *session) sweepEngine(ctx context.Context, g gone) error {
	all, err := s.docker.Do(ctx, "image", "ls", "--digests", "--format", "{{.Repository}},{{.Tag}},{{.Digest}}")
	if err != nil {
		return err
	}
	kept, err := s.engineKeeps(ctx)
	if err != nil {
		return err
	}
	for line := range strings.Lines(all) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		ref := fields[0] + ":" + fields[1]
		if fields[1] == "<none>" {
			ref = fields[0] + "@" + fields[2]
		}
		replaced := (fields[0] == registryRepository || fields[0] == s.registryHost()+"/aml/node") && !kept[ref]
		if g.has(ref) || replaced {
			// That a container has it is no error.
			_, _ = s.docker.Do(ctx, "image", "rm", ref)
		}
	}
	return s.sweepBuilt(ctx, g.runs)
}

// sweepBuilt removes images that were built for runs that are over.
func (s *session) sweepBuilt(ctx context.Context, others runs) error {
	built, err := s.docker.Do(ctx, "image", "ls", "--quiet", "--no-trunc", "--filter", "label="+RunLabel)
	if err != nil || built == "" {
		return err
	}
	about, err := s.docker.Do(ctx, append([]string{"image", "inspect", "--format",
		`{{.Id}} {{index .Config.Labels "` + RunLabel + `"}}`}, strings.Fields(built)...)...)
	for line := range strings.Lines(about) {
		id, run, _ := strings.Cut(strings.TrimSpace(line), " ")
		if others.over(run) {
			_, removeErr := s.docker.Do(ctx, "image", "rm", "--force", id)
			err = errors.Join(err, removeErr)
		}
	}
	return err
}

// engineKeeps are the images of nodes and of the registry that are not to be removed.
func (s *session) engineKeeps(ctx context.Context) (map[string]bool, error) {
	st, _ := s.load()
	kept := map[string]bool{st.NodeImage: true}
	if s.published {
		return kept, nil
	}
	kept[registryRepository+":"+s.book.Registry().Key] = true
	node, err := s.digestOf(ctx, s.book.Node())
	kept[s.registryHost()+"/aml/node@"+node] = true
	return kept, err
}
