// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Forward opens a way to the traffic port of a router's pod through the API
// server, on a free port of 127.0.0.1 that nobody but this machine can reach.
// It returns the base URL, http://127.0.0.1:PORT, and a function that closes
// the way; it is also closed when ctx ends. It needs the right to create
// pods/portforward in the namespace.
func Forward(
	ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace, pod string,
) (baseURL string, closeWay func(), err error) {
	dialer, err := newDialer(config, client, namespace, pod)
	if err != nil {
		return "", nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	opened := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", routerPort)}, opened, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	ended := make(chan struct{})
	var endErr error
	go func() {
		defer close(ended)
		endErr = forwarder.ForwardPorts()
	}()
	select {
	case <-opened:
	case <-ended:
		err = endErr
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	closeWay = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	return fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local), closeWay, nil
}

// newDialer dials as kubectl does: by WebSocket, and by SPDY if the API server
// is older than 1.30 or a proxy on the way does not let WebSockets through.
func newDialer(
	config *rest.Config, client kubernetes.Interface, namespace, pod string,
) (httpstream.Dialer, error) {
	target := client.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
