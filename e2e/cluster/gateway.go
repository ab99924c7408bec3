// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What EnvoyGateway installs: a controller and its proxies in GatewayNamespace,
// which serve Gateways of GatewayClass.
const (
	GatewayNamespace = "envoy-gateway-system"
	GatewayClass     = "envoy"
)

const (
	publishedGateway = "docker.io/envoyproxy/gateway:"
	publishedProxy   = "docker.io/envoyproxy/envoy:distroless-v1.40.0"
)

//go:embed envoy-gateway.yaml
var envoyGateway string

// EnvoyGateway makes sure that the cluster runs, and in it Envoy Gateway, a
// controller of the Gateway API. Neither Up nor the demo waits for it. The
// function returned takes it out again, with the Gateway API, if it was not there
// before opts.Run.
func EnvoyGateway(ctx context.Context, opts Options) (remove func(context.Context) error, err error) {
	s, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	c, err := s.up(ctx)
	if err != nil {
		return nil, err
	}
	manifest, err := s.gatewayManifest(ctx)
	if err != nil {
		return nil, err
	}
	crds, err := s.book.GatewayCRDs(ctx)
	if err != nil {
		return nil, err
	}
	stays, err := c.gatewayStays(ctx, opts.Run)
	if err != nil {
		return nil, err
	}
	remove = func(ctx context.Context) error {
		if of, err := c.gatewayRun(ctx); err != nil || stays || of != opts.Run {
			return err
		}
		return c.removeGateway(ctx, manifest, string(crds))
	}
	return remove, s.store.Watch(ctx, "envoy gateway", "ready", func(ctx context.Context, _ io.Writer) error {
		return c.installGateway(ctx, manifest, string(crds))
	})
}

// gatewayStays tells whether the gateway is not for a run. If it is, its namespace is
// that run's before anything is in it; if it is not, that is no run's any more.
func (c *Cluster) gatewayStays(ctx context.Context, run string) (bool, error) {
	if run == "" {
		return true, c.keepGateway(ctx)
	}
	_, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: GatewayNamespace, Labels: map[string]string{RunLabel: run}}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return true, nil
	}
	return false, err
}

// keepGateway takes the gateway, if it is there, from the run that it was put in for.
func (c *Cluster) keepGateway(ctx context.Context) error {
	const noRun = `{"metadata":{"labels":{"` + RunLabel + `":null}}}`
	_, err := c.client.CoreV1().Namespaces().Patch(ctx, GatewayNamespace, types.MergePatchType, []byte(noRun),
		metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// gatewayRun is the run that the gateway was put in for; "" if it is not there, or stays.
func (c *Cluster) gatewayRun(ctx context.Context) (string, error) {
	namespace, err := c.client.CoreV1().Namespaces().Get(ctx, GatewayNamespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return namespace.Labels[RunLabel], nil
}

func (c *Cluster) installGateway(ctx context.Context, manifest, crds string) error {
	// The definitions are longer than the annotation of an ordinary apply may be.
	if err := c.adminKubectl(ctx, crds, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		return err
	}
	established := []string{"wait", "--for=condition=Established", "--timeout=60s", "-f", "-"}
	if err := c.adminKubectl(ctx, crds, established...); err != nil {
		return err
	}
	if err := c.adminKubectl(ctx, manifest, "apply", "-f", "-"); err != nil {
		return err
	}
	return poll(ctx, 3*time.Minute, c.gatewayServes)
}

// removeGateway takes out what there is, from the Gateways down: the controller
// has to see them off before it goes.
func (c *Cluster) removeGateway(ctx context.Context, manifest, crds string) error {
	for _, part := range []struct {
		manifest string
		what     []string
	}{
		{"", []string{"gateways", "--all", "--all-namespaces"}}, {"", []string{"gatewayclass", GatewayClass}},
		{manifest, []string{"-f", "-"}}, {crds, []string{"-f", "-"}},
	} {
		args := append([]string{"delete", "--timeout=5m", "--ignore-not-found"}, part.what...)
		if err := c.adminKubectl(ctx, part.manifest, args...); err != nil {
			return err
		}
	}
	return nil
}

// gatewayManifest is what to install, with the images that there are.
func (s *session) gatewayManifest(ctx context.Context) (string, error) {
	gateway, proxy := publishedGateway, publishedProxy
	version, err := s.book.GatewayVersion()
	if err != nil {
		return "", err
	}
	gateway += version
	if !s.published {
		if gateway, err = s.push(ctx, s.book.Gateway()); err != nil {
			return "", err
		}
		if proxy, err = s.push(ctx, s.book.Router()); err != nil {
			return "", err
		}
	}
	return strings.NewReplacer("GATEWAY_IMAGE", gateway, "PROXY_IMAGE", proxy).Replace(envoyGateway), nil
}

// gatewayServes is nil once the controller is available.
func (c *Cluster) gatewayServes(ctx context.Context) error {
	is, err := c.client.AppsV1().Deployments(GatewayNamespace).Get(ctx, "envoy-gateway", metav1.GetOptions{})
	if err == nil && !available(is) {
		err = fmt.Errorf("not available yet: kubectl -n %s describe pods", GatewayNamespace)
	}
	return err
}

// adminKubectl runs a node's kubectl with a manifest on its standard input.
func (c *Cluster) adminKubectl(ctx context.Context, manifest string, args ...string) error {
	_, err := c.docker.Pipe(ctx, bytes.NewReader([]byte(manifest)), append([]string{"exec", "--interactive",
		c.Name + "-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)...)
	return err
}
