// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
)

// streams are those of a command in the pod; nil is none.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// dialer is what BuildKit's client connects with.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// execution runs commands in BuildKit's container.
type execution struct {
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
}

// run runs a command as kubectl does: by WebSocket, and by SPDY if the API
// server is older than 1.30 or a proxy on the way does not let WebSockets
// through. It returns when the command ends, or ctx.
func (e execution) run(ctx context.Context, pod string, s streams, command ...string) error {
	target := e.client.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(e.namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: containerName, Command: command,
			Stdin: s.in != nil, Stdout: s.out != nil, Stderr: s.err != nil,
		}, scheme.ParameterCodec).URL()
	socket, err := remotecommand.NewWebSocketExecutor(e.config, "GET", target.String())
	if err != nil {
		return err
	}
	old, err := remotecommand.NewSPDYExecutor(e.config, "POST", target)
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(socket, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return err
	}
	// What it logs of streams that end early, the error has too.
	ctx = klog.NewContext(ctx, logr.Discard())
	return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: s.in, Stdout: s.out, Stderr: s.err})
}

// dialer connects to BuildKit's socket in the pod, which nothing but a process
// in the pod reaches. A connection lives as long as build, not as the context of
// the dialling, which ends when there is a connection.
func (b *clusterBuilder) dialer(build context.Context, pod string) dialer {
	return func(context.Context, string) (net.Conn, error) {
		near, far := net.Pipe()
		conn := &podConn{Conn: near}
		go func() {
			var said strings.Builder
			err := b.exec(build, pod, streams{in: far, out: far, err: &said}, "buildctl", "dial-stdio")
			if err != nil {
				conn.fail(fmt.Errorf("connection to BuildKit in pod %s: %w", pod,
					errors.Join(err, wordsOf(said.String()))))
			}
			_ = far.Close()
		}()
		return conn, nil
	}
}

func wordsOf(said string) error {
	if said = oneLine(said); said != "" {
		return errors.New(said)
	}
	return nil
}

// podConn is a connection that knows why it broke.
type podConn struct {
	net.Conn
	mu  sync.Mutex
	err error
}

func (c *podConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Read is that of net.Conn, with the cause in the place of an unexpected end.
func (c *podConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.err != nil {
		return n, c.err
	}
	return n, err
}

// keepAlive gives BuildKit a sign of life now and then, until ctx ends. One that
// does not arrive is made up for by the next; so none is waited for longer.
func (b *clusterBuilder) keepAlive(ctx context.Context, pod string) {
	for ctx.Err() == nil {
		sending, done := context.WithTimeout(ctx, b.o.Idle/signsOfLife)
		_ = b.exec(sending, pod, streams{out: io.Discard}, "touch", signOfLife)
		done()
		select {
		case <-ctx.Done():
		case <-b.o.Clock.After(b.o.Idle / signsOfLife):
		}
	}
}
