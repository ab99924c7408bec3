// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package kindcluster makes and deletes clusters on this machine, with kind's own
// library. Whoever is cut off in the middle of making one is found by the next.
package kindcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
)

// ErrNoEngine says that this machine has nothing that runs containers.
var ErrNoEngine = errors.New("kind needs docker, podman or nerdctl, and there is none: install one of them, or " +
	"attach a cluster that is there with kubectl aml compute attach kubernetes")

// ErrThere says that there is a cluster of the name already.
var ErrThere = errors.New("there is a kind cluster of the name already")

// Options say where clusters are made. All but Engine have to be given.
type Options struct {
	// Engine runs the nodes: docker, podman or nerdctl; if empty, what is there.
	Engine string
	// Log gets what kind says.
	Log io.Writer
	// State is the folder that tells of clusters in the making.
	State string
	Clock clock.Clock
}

// Clusters are those of kind on this machine.
type Clusters struct {
	provider provider
	log      io.Writer
	state    string
	clock    clock.Clock
}

// provider is what of kind is used.
type provider interface {
	Create(name string, options ...cluster.CreateOption) error
	Delete(name, kubeconfig string) error
	List() ([]string, error)
	KubeConfig(name string, internal bool) (string, error)
	ListInternalNodes(name string) ([]nodes.Node, error)
}

// New finds what runs the nodes. It refuses an engine that kind does not know,
// and returns ErrNoEngine if there is none.
func New(o Options) (*Clusters, error) {
	engine, err := engineNamed(o.Engine)
	if err != nil {
		return nil, err
	}
	return &Clusters{
		provider: cluster.NewProvider(engine, cluster.ProviderWithLogger(logger{o.Log})), log: o.Log, state: o.State,
		clock: o.Clock,
	}, nil
}

func engineNamed(name string) (cluster.ProviderOption, error) {
	switch name {
	case "docker":
		return cluster.ProviderWithDocker(), nil
	case "podman":
		return cluster.ProviderWithPodman(), nil
	case "nerdctl", "finch", "nerdctl.lima":
		return cluster.ProviderWithNerdctl(name), nil
	case "":
		engine, err := cluster.DetectNodeProvider()
		if err != nil {
			return nil, ErrNoEngine
		}
		return engine, nil
	}
	return nil, fmt.Errorf("KIND_EXPERIMENTAL_PROVIDER is %q, which kind does not know: write docker, podman or nerdctl",
		name)
}

// ClusterName is the name that kind gets for a compute: it takes no capitals.
func ClusterName(compute string) string { return strings.ToLower(compute) }

// ContextName is the context that kind gives a cluster.
func ContextName(name string) string { return "kind-" + name }

// CreateOptions say how a cluster is made.
type CreateOptions struct {
	// Name is the cluster's, as ClusterName makes it.
	Name string
	// Image is that of the nodes; kind's own if empty.
	Image string
	// Nodes is how many there are, all of which take pods; 1 if 0. Config says it
	// too, so that one of them is given.
	Nodes int
	// Config is a configuration file of kind.
	Config []byte
	// Wait is how long the cluster may take to be ready; it is made all the same
	// when it takes longer.
	Wait time.Duration
	// Retain keeps the nodes of a cluster that fails, to look into them. The next
	// Create of the name deletes them.
	Retain bool
}

// Create makes a cluster and calls done with a kubeconfig for it, whose context
// is ContextName. If anything fails, or ctx ends, there is no cluster after it.
// Others who make the same one wait; what was cut off by the end of a process is
// deleted first. It returns ErrThere if there is such a cluster.
func (c *Clusters) Create(
	ctx context.Context, o CreateOptions, done func(context.Context, clientcmdapi.Config) error,
) error {
	n, err := c.begin(ctx, o.Name)
	if err != nil {
		return err
	}
	defer n.close()
	if n.cutOff {
		fmt.Fprintf(c.log, "kind cluster %s was not finished by an earlier create: it is deleted and made anew\n", o.Name)
		if err := c.remove(o.Name); err != nil {
			return err
		}
	}
	there, err := c.has(o.Name)
	if err != nil {
		return err
	}
	if there {
		return ErrThere
	}
	if err := n.write(); err != nil {
		return err
	}
	if err := c.create(ctx, o, done); err != nil {
		return c.undo(o, n, err)
	}
	return n.erase()
}

func (c *Clusters) create(
	ctx context.Context, o CreateOptions, done func(context.Context, clientcmdapi.Config) error,
) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-kind-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "kubeconfig")
	if err := c.make(ctx, o, file); err != nil {
		return err
	}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return fmt.Errorf("kind left no kubeconfig: %w", err)
	}
	return done(ctx, *config)
}

// make has kind make the cluster, which takes no context: when ctx ends, the
// nodes are taken away from under it, and it is waited for.
func (c *Clusters) make(ctx context.Context, o CreateOptions, kubeconfig string) error {
	made := make(chan error, 1)
	go func() { made <- c.provider.Create(o.Name, o.forKind(kubeconfig)...) }()
	select {
	case err := <-made:
		return told("make kind cluster "+o.Name, err)
	case <-ctx.Done():
		err := c.remove(o.Name)
		<-made //nolint:errcheck // that the nodes went is what it says, or nothing
		return errors.Join(context.Cause(ctx), err)
	}
}

// undo leaves nothing of a cluster that failed, unless it is to be retained.
func (c *Clusters) undo(o CreateOptions, n *note, err error) error {
	if o.Retain {
		return fmt.Errorf("%w; its nodes are kept until the next create of it", err)
	}
	if removeErr := c.remove(o.Name); removeErr != nil {
		return errors.Join(err, removeErr) // the note stays for the next create
	}
	return errors.Join(err, n.erase())
}

// Delete deletes a cluster. One that is not there is no error.
func (c *Clusters) Delete(ctx context.Context, name string) error {
	n, err := c.begin(ctx, name)
	if err != nil {
		return err
	}
	defer n.close()
	if err := c.remove(name); err != nil {
		return err
	}
	return n.erase()
}

// tries is how often remove looks whether the nodes are gone, a second apart.
const tries = 30

// remove deletes the nodes, and lets kind touch no kubeconfig of the user's. A
// process that was killed may have left one that runs docker, and docker says that
// it has deleted a node which it is still about to make: so it is looked again.
func (c *Clusters) remove(name string) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-kind-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for range tries {
		if err := c.provider.Delete(name, filepath.Join(folder, "kubeconfig")); err != nil {
			return told("delete kind cluster "+name, err)
		}
		there, err := c.has(name)
		if err != nil || !there {
			return err
		}
		<-c.clock.After(time.Second)
	}
	return fmt.Errorf("delete kind cluster %s: its nodes do not go: delete the containers that are labelled "+
		"io.x-k8s.kind.cluster=%[1]s", name)
}

func (c *Clusters) has(name string) (bool, error) {
	names, err := c.provider.List()
	return slices.Contains(names, name), told("list the clusters of kind", err)
}
