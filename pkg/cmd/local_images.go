// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute/kindcluster"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

var errNoNodes = errors.New("no registry is named, and the nodes of this cluster cannot take images from this " +
	"machine, as those of kind can: name a registry that they pull from with --registry or AML_REGISTRY")

// imageFolder is where images and models are if no registry is named. It is not
// absolute if nothing says where.
func (o *options) imageFolder() string {
	if named := o.Getenv("AML_LAYOUT"); named != "" {
		return o.path(named)
	}
	return filepath.Join(o.folder("XDG_DATA_HOME", ".local", "share"), "images")
}

// inFolder tells whether a registry, repository or image is in that folder.
func inFolder(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	return host == layout.Host
}

// throughFolder answers requests to layout.Host out of the folder, which is opened
// by the first of them.
func (o *options) throughFolder(next http.RoundTripper) http.RoundTripper {
	open := sync.OnceValues(func() (*layout.Layout, error) { return layout.Open(o.imageFolder()) })
	return &folderTransport{open, next}
}

type folderTransport struct {
	open func() (*layout.Layout, error)
	next http.RoundTripper
}

// RoundTrip opens the folder for whoever needs it.
func (t *folderTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != layout.Host {
		return t.next.RoundTrip(r)
	}
	l, err := t.open()
	if err != nil {
		return nil, err
	}
	return l.Transport(t.next).RoundTrip(r)
}

// nodes take images from the folder.
type nodes struct {
	clusters *kindcluster.Clusters
	cluster  string
	// around are the images of the endpoint's router and limiter.
	around []string
}

// nodesFor finds the nodes of the cluster in use, for an image that is in the
// folder: nobody could pull it. It returns nil for images of registries.
func (o *options) nodesFor(where string) (*nodes, error) {
	if !inFolder(where) {
		return nil, nil
	}
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	if s.REST == nil {
		return nil, errNoNodes
	}
	clusters, err := o.kindClusters()
	if errors.Is(err, kindcluster.ErrNoEngine) {
		return nil, errNoNodes
	}
	if err != nil {
		return nil, err
	}
	name, err := clusters.At(s.REST.Host)
	if err != nil {
		return nil, fmt.Errorf("no registry is named, and whether the cluster is one of kind cannot be found out: %w: start "+
			"Docker, or name a registry that the cluster pulls from with --registry or AML_REGISTRY", err)
	}
	if name == "" {
		return nil, errNoNodes
	}
	o.tell("image: no registry: images are in %s, and go from there into the nodes of kind cluster %s",
		o.imageFolder(), name)
	return &nodes{clusters: clusters, cluster: name}, nil
}

// load puts an image into all nodes that lack it.
func (n *nodes) load(ctx context.Context, o *options, ref string, access image.Options) error {
	if n == nil {
		return nil
	}
	start := o.Clock.Now()
	// It is asked for in any case, so that prune knows it for used. But it may be
	// gone, and still be in the nodes: models that stay as they are.
	img, gone := image.Read(ctx, ref, access)
	did, err := n.clusters.Load(ctx, n.cluster, ref, func() (v1.Image, error) { return img, gone })
	if err != nil {
		return err
	}
	if did.Sent == 0 {
		o.tell("image: the %d nodes of kind cluster %s have it", did.Nodes, n.cluster)
		return nil
	}
	o.tell("image: loaded into %d of the %d nodes of kind cluster %s (%.1f MB in %.1f s)", did.Sent, did.Nodes, n.cluster,
		float64(did.Bytes)/1e6, o.Clock.Since(start).Seconds())
	return nil
}

// nodesOf finds the nodes for a deployment, before anybody waits for its image. It
// refuses what nodesFor and stayInNodes refuse.
func (o *options) nodesOf(ctx context.Context, p *plan, f *deployFlags) (*nodes, error) {
	n, err := o.nodesFor(cmp.Or(f.image, f.registry))
	if err != nil || n == nil {
		return nil, err
	}
	n.around, err = o.imagesAround(ctx, p, f)
	return n, err
}

// loadFor puts the images in the folder that a deployment needs into the nodes: the
// version's, and those of router and limiter, which kubelets may have swept away.
func (n *nodes) loadFor(ctx context.Context, o *options, p *plan, access image.Options) error {
	if n == nil {
		return nil
	}
	for _, ref := range append([]string{p.version.ModelImage, p.version.Image}, n.around...) {
		if !inFolder(ref) {
			continue
		}
		if err := n.load(ctx, o, ref, access); err != nil {
			return err
		}
	}
	return nil
}

// imagesAround are those of an endpoint's router and limiter, as they will be.
func (o *options) imagesAround(ctx context.Context, p *plan, f *deployFlags) ([]string, error) {
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	now, err := s.endpoint(ctx, p.endpoint)
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return nil, err
	}
	if err := stayInNodes(p.versionName, now.values.Versions[p.versionName]); err != nil {
		return nil, err
	}
	next := f.set(now.values) // of a new endpoint, the chart has the rest
	if next.Routing.Mode == chart.GatewayMode {
		return []string{next.Limiter.Image}, nil
	}
	return []string{next.Router.Image, next.Limiter.Image}, nil
}

// stayInNodes refuses a version whose images kubelets pull, although they have
// them: nobody can pull what was loaded.
func stayInNodes(name string, v chart.VersionValues) error {
	if v.ImagePullPolicy != string(corev1.PullAlways) {
		return nil
	}
	return fmt.Errorf("version %s has imagePullPolicy Always, and images in nodes cannot be pulled: set "+
		"versions.%[1]s.imagePullPolicy to IfNotPresent, which is as good for images by digest", name)
}
