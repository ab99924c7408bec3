// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package cluster makes the Kubernetes cluster that the end-to-end tests and
// the demo run on: kind nodes, a registry beside them, and the images that
// kubectl-aml needs in it. Where an image registry can be reached, everything
// that is published is taken as published; elsewhere the images are put
// together from Go modules, Python wheels and Debian packages.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/recipe"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// module is this repository's module path.
const module = "github.com/kubectl-aml/kubectl-aml"

// Options say which cluster. The zero value is the one that "make e2e" uses.
type Options struct {
	// Name of the cluster; "aml" if empty. The registry is called NAME-registry.
	Name string
	// CacheDir keeps what was built, the logs and the kubeconfig. If empty:
	// $AML_CACHE, or kubectl-aml in the user's cache folder.
	CacheDir string
	// RegistryPort is the registry's port on 127.0.0.1; 5001 if 0.
	RegistryPort int
	// HTTPPort is the port of 127.0.0.1 that leads to NodePort 30080; if 0:
	// 18080 for the cluster "aml", one that is free for others.
	HTTPPort int
	// Run names the run that EnvoyGateway is for: it goes with that run. If empty, it
	// stays.
	Run string
	// Source is the root of this repository's tree; if empty it is looked for
	// from the working folder upwards.
	Source string
	// Progress gets one line per step; nothing is written if it is nil.
	Progress io.Writer
	// Clock measures the steps; the real one if nil.
	Clock clock.PassiveClock
}

// Images are the references, by digest, of the images that were put together
// for this cluster. An empty one stands for the chart's default, which can be
// pulled here.
type Images struct {
	Router, Limiter, Environment string
	// BuildKit is for a user who is not root; Python is a system with Python and
	// pip, to build environments on.
	BuildKit, Python string
	// AzureML is the scoring environment that has azureml-core, too. Up leaves
	// it empty: see AzureMLEnvironment.
	AzureML string
}

// Cluster is a running cluster.
type Cluster struct {
	Name       string
	Kubeconfig string // path of a kubeconfig file of its own
	Registry   string // host:port under which this machine and the nodes know the registry
	HTTP       string // host:port of this machine that leads to NodePort 30080
	Kubectl    string // path of a kubectl
	Images     Images

	docker engine.Docker
	client kubernetes.Interface
	nodes  []node
	subnet string // of the nodes' network
	bridge string // of the nodes' network, on the engine's host
	image  string // the nodes'

	registry string // the registry's container
}

// Up makes sure that the cluster runs, and returns it. A healthy cluster is
// left as it is, a stopped one is started, a half-made one is made again; a
// cluster keeps its node image until Down. A run that is cut off, by ctx or by
// a signal, is taken up by the next. One that brings new images deletes those that
// they replace; see Begin.
func Up(ctx context.Context, opts Options) (*Cluster, error) {
	s, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	c, err := s.up(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.metrics(ctx, c); err != nil {
		return nil, err
	}
	if c.Images, err = s.images(ctx); err != nil || !s.pushed {
		return c, err
	}
	others, err := underWay(s.runsFolder())
	if err != nil {
		return c, err
	}
	return c, s.sweepImages(ctx, c, others)
}

// Prepare does what of Up needs no nodes: it starts the registry, and makes sure
// of every image.
func Prepare(ctx context.Context, opts Options) (Images, error) {
	s, err := open(ctx, opts)
	if err != nil {
		return Images{}, err
	}
	defer s.close()
	if err := s.start(ctx); err != nil {
		return Images{}, err
	}
	if _, err := s.nodeImage(ctx); err != nil {
		return Images{}, err
	}
	if _, err := s.metricsImage(ctx); err != nil {
		return Images{}, err
	}
	if _, err := s.gatewayManifest(ctx); err != nil {
		return Images{}, err
	}
	images, err := s.images(ctx)
	if err != nil {
		return Images{}, err
	}
	images.AzureML, err = s.environment(ctx, recipe.AzureMLPart)
	return images, err
}

// AzureMLEnvironment makes sure of the registry and of the scoring environment
// that has azureml-core, and returns its reference. Scripts that look their
// models up with that package need it; neither Up nor the demo waits for it.
func AzureMLEnvironment(ctx context.Context, opts Options) (string, error) {
	s, err := open(ctx, opts)
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := s.start(ctx); err != nil {
		return "", err
	}
	return s.environment(ctx, recipe.AzureMLPart)
}

// start makes sure of the engine, the nodes' network and the registry.
func (s *session) start(ctx context.Context) error {
	var err error
	if s.docker, err = engine.Find(ctx, s.store, s.opts.Source); err != nil {
		return err
	}
	if err := s.decide(ctx); err != nil {
		return err
	}
	if err := s.network(ctx); err != nil {
		return err
	}
	return s.registry(ctx)
}

// Down deletes the cluster, its registry and what the registry keeps. Nothing
// to delete is no error. The cache stays.
func Down(ctx context.Context, opts Options) error {
	s, err := open(ctx, opts)
	if err != nil {
		return err
	}
	defer s.close()
	if !s.docker.Answers(ctx) {
		return engine.ErrNoEngine
	}
	return s.store.Watch(ctx, "cluster "+s.opts.Name, "deleted", func(ctx context.Context, log io.Writer) error {
		err := s.provider(log).Delete(s.opts.Name, s.kubeconfig())
		_, removeErr := s.docker.Do(ctx, "rm", "--force", "--volumes", s.registryName())
		_, volumeErr := s.docker.Do(ctx, "volume", "rm", "--force", s.registryName())
		return errors.Join(err, removeErr, volumeErr, os.RemoveAll(s.folder()))
	})
}

// session is one run of this package.
type session struct {
	opts      Options
	store     *step.Store
	book      *recipe.Book
	docker    engine.Docker
	published bool // take what is published
	pushed    bool // an image was not in the registry
	subnet    string
	bridge    string
}

func open(ctx context.Context, opts Options) (*session, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	store, err := step.Open(ctx, opts.CacheDir, opts.Progress, opts.Clock)
	if err != nil {
		return nil, err
	}
	book, err := recipe.Open(store, opts.Source)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &session{opts: opts, store: store, book: book}, nil
}

func (s *session) close() {
	_ = s.store.Close() // only gives a lock back
}

func (o Options) complete() (Options, error) {
	o.Name = cmp.Or(o.Name, "aml")
	o.RegistryPort = cmp.Or(o.RegistryPort, 5001)
	if o.HTTPPort == 0 && o.Name == "aml" {
		o.HTTPPort = 18080
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.CacheDir = cmp.Or(o.CacheDir, os.Getenv("AML_CACHE"))
	var err error
	if o.CacheDir == "" {
		var user string
		user, err = os.UserCacheDir()
		o.CacheDir = filepath.Join(user, "kubectl-aml")
	}
	if err == nil && o.Source == "" {
		o.Source, err = findSource()
	}
	return o, err
}

// findSource is the folder of this module, at or above the working folder.
func findSource() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module "+module+"\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a clone of %s: run from there", start, module)
		}
	}
}

// folder keeps what belongs to this cluster and goes with it.
func (s *session) folder() string {
	return filepath.Join(s.opts.CacheDir, "clusters", s.opts.Name)
}

func (s *session) kubeconfig() string {
	return filepath.Join(s.folder(), "kubeconfig")
}

func (s *session) connect() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig())
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// NodeExec runs a command on a node, and returns its stdout. node is the name
// of a node of this cluster.
func (c *Cluster) NodeExec(ctx context.Context, node string, argv ...string) (string, error) {
	return c.docker.Do(ctx, append([]string{"exec", node}, argv...)...)
}

// Nodes are the names of the nodes, the control plane first.
func (c *Cluster) Nodes() []string {
	var names []string
	for _, n := range c.nodes {
		names = append(names, n.name)
	}
	return names
}
