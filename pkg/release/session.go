// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"fmt"
	"io"
	"sync"

	helmaction "helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// keptLines is how many of Helm's last log lines an error carries.
const keptLines = 50

// session is one operation on one endpoint, from taking the Lease to giving it back.
type session struct {
	*Client
	name  string
	lines *lines
	// fence returns an error once nothing may be written any more.
	fence func() error
	// tookOver tells that the Lease was of somebody who died.
	tookOver bool
}

// underLease runs do while holding the Lease of the endpoint. The context given
// to do ends when the Lease is lost.
func (c *Client) underLease(ctx context.Context, name string, do func(context.Context, *session) error) error {
	client, err := c.kubernetes()
	if err != nil {
		return c.explain(err)
	}
	l := newLease(client.CoordinationV1().Leases(c.opts.Namespace), c.opts.Clock, c.opts.Log, name, c.opts.Holder)
	if err := l.acquire(ctx); err != nil {
		return c.explain(err)
	}
	defer l.release(context.WithoutCancel(ctx))
	ctx, stop := l.keep(ctx)
	defer stop()
	return do(ctx, &session{Client: c, name: name, lines: &lines{}, fence: l.check, tookOver: l.tookOver})
}

// configure makes what one action of Helm needs. It is never used for two: Helm
// changes it, and an offline action leaves a later one without effect
// (https://github.com/helm/helm/issues/11463).
//
// The records are written even when ctx has ended, so that an interrupted
// operation is recorded as failed; the gate then lets nothing else through.
func (s *session) configure(ctx context.Context) (*helmaction.Configuration, *gate, error) {
	g := &gate{Interface: s.kube(s.lines.add), ctx: ctx, fence: s.fence, clock: s.opts.Clock, log: s.opts.Log}
	store, err := s.driver(context.WithoutCancel(ctx), s.opts.Namespace, "", s.lines.add)
	if err != nil {
		return nil, nil, err
	}
	config := &helmaction.Configuration{
		KubeClient:     g,
		Releases:       storage.Init(&records{Driver: store, fence: s.fence, gate: g, holder: s.opts.Holder}),
		Log:            s.lines.add,
		HookOutputFunc: func(_, _, _ string) io.Writer { return io.Discard },
	}
	config.Releases.Log = s.lines.add
	config.Releases.MaxHistory = maxHistory // an install sets none
	if s.opts.Backend.Kube != nil {
		version, err := chartutil.ParseKubeVersion(chart.DefaultKubeVersion)
		if err != nil {
			return nil, nil, err
		}
		config.Capabilities = chartutil.DefaultCapabilities.Copy()
		config.Capabilities.KubeVersion = *version
	} else {
		config.RESTClientGetter = s.restGetter()
	}
	return config, g, nil
}

// look loads the history and reads the situation from it.
func (s *session) look(ctx context.Context) (situation, error) {
	history, err := s.history(ctx, s.name)
	return determine(history), err
}

// manifests are the objects of revisions, as the YAML they were sent as.
func manifests(revisions []*helmrelease.Release) []string {
	var all []string
	for _, r := range revisions {
		all = append(all, r.Manifest)
	}
	return all
}

// kubernetes returns the client for everything that is not Helm's.
func (c *Client) kubernetes() (kubernetes.Interface, error) {
	if c.opts.Backend.Kubernetes != nil {
		return c.opts.Backend.Kubernetes, nil
	}
	config, err := c.restGetter().ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func (c *Client) kube(log func(string, ...any)) helmkube.Interface {
	if c.opts.Backend.Kube != nil {
		return c.opts.Backend.Kube
	}
	kube := helmkube.New(c.restGetter())
	kube.Log = log
	kube.Namespace = c.opts.Namespace
	return kube
}

// driver returns Helm's storage in a namespace ("": all), in Secrets as Helm's
// own commands keep it, so that they and we see the same releases.
func (c *Client) driver(ctx context.Context, namespace, selector string,
	log func(string, ...any)) (driver.Driver, error) {
	if c.opts.Backend.Records != nil {
		return c.opts.Backend.Records(namespace, selector), nil
	}
	client, err := c.kubernetes()
	if err != nil {
		return nil, err
	}
	secrets := driver.NewSecrets(&secrets{
		SecretInterface: client.CoreV1().Secrets(namespace), ctx: ctx, selector: selector})
	secrets.Log = log
	return secrets, nil
}

func (c *Client) restGetter() genericclioptions.RESTClientGetter {
	return &warningGetter{RESTClientGetter: c.getter, log: c.opts.Log}
}

// warningGetter sends the warnings of the API server to our log; client-go would
// print them.
type warningGetter struct {
	genericclioptions.RESTClientGetter
	log func(string)

	mu   sync.Mutex
	seen map[string]bool
}

// ToRESTConfig returns a copy of the configuration with our handler in it.
func (g *warningGetter) ToRESTConfig() (*rest.Config, error) {
	config, err := g.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.WarningHandler, config.WarningHandlerWithContext = g, nil
	return config, nil
}

// HandleWarningHeader logs each text once.
func (g *warningGetter) HandleWarningHeader(code int, _ string, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if code != 299 || text == "" || g.seen[text] {
		return
	}
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	g.seen[text] = true
	g.log("warning: " + text)
}

// lines keeps the last lines Helm logs.
type lines struct {
	mu   sync.Mutex
	kept []string
}

func (l *lines) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, oneLine(fmt.Sprintf(format, args...)))
	if len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.kept...)
}
