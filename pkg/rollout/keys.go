// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// keyLimit bounds how long one router may take to be reached and asked.
	keyLimit = 10 * time.Second
	// keyPath is a path that no router serves: with a good key it is not found.
	keyPath = "/-/key"
	// freshKeys and staleKeys stand for the hash in the confirmation of keys.
	freshKeys = "keys"
	staleKeys = "stale-keys"
)

// Doors are the routers of an endpoint as callers meet them.
type Doors interface {
	// Pods and Touch are those of Routers.
	Pods(ctx context.Context) ([]Pod, error)
	Touch(ctx context.Context, pod, value string) error
	// Admits tells for each of the keys whether the pod's router lets a caller
	// with it in. The model is not asked.
	Admits(ctx context.Context, pod string, keys ...string) ([]bool, error)
}

// NewDoors returns the routers of an endpoint in a cluster. It needs the rights
// to list and patch pods and to create pods/portforward in the namespace: the
// API server does not hand a caller's key on through its proxy.
func NewDoors(config *rest.Config, client kubernetes.Interface, namespace, endpoint string) Doors {
	return &clusterDoors{
		clusterRouters: clusterRouters{client: client, namespace: namespace, endpoint: endpoint}, config: config,
	}
}

type clusterDoors struct {
	clusterRouters
	config *rest.Config
}

func (d *clusterDoors) Admits(ctx context.Context, pod string, keys ...string) ([]bool, error) {
	base, closeWay, err := Forward(ctx, d.config, d.client, d.namespace, pod)
	if err != nil {
		return nil, err
	}
	defer closeWay()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	in := make([]bool, len(keys))
	for i, key := range keys {
		answer, err := Invoke(ctx, client, Request{URL: base + keyPath, Method: http.MethodGet, Bearer: key})
		if err != nil {
			return nil, err
		}
		if in[i], err = admitted(pod, answer.Status); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// admitted reads a router's answer to keyPath.
func admitted(pod string, status int) (bool, error) {
	switch status {
	case http.StatusNotFound:
		return true, nil
	case http.StatusUnauthorized:
		return false, nil
	}
	return false, fmt.Errorf("pod %s does not answer as a router does: status %d", pod, status)
}

// KeyOptions say which key is to be confirmed by whom.
type KeyOptions struct {
	Doors Doors
	// Fresh is the key that has to be let in, Stale the one that must not be any
	// more; empty if there is none.
	Fresh, Stale string
	// Wanted is asked again and again whether the keys are still those wanted; its
	// error ends the wait. It may be nil.
	Wanted func(ctx context.Context) error
	// Timeout, Clock and Report are those of ConfirmOptions.
	Timeout time.Duration
	Clock   clock.Clock
	Report  func(line string)
}

// ConfirmKeys returns nil once every ready router lets the fresh key in and the
// stale one not. It makes the routers' nodes deliver the keys at once. The error
// is that of Wanted, wraps ErrNoRouter if no router is ready at the start, wraps a
// *LagError if the time is up or ctx ends first, or is the API server's if that
// forbids listing or reaching the routers. No error tells a key.
func ConfirmKeys(ctx context.Context, o KeyOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &keyed{Doors: o.Doors, o: o, cancel: cancel}
	err := Confirm(ctx, ConfirmOptions{
		Routers: k, Hash: freshKeys, Timeout: o.Timeout, Clock: o.Clock, Report: o.Report, limit: keyLimit,
	})
	var lag *LagError
	switch {
	case k.unwanted != nil:
		return k.unwanted
	case errors.As(err, &lag):
		return &keyLagError{lag}
	}
	return err
}

// keyed are routers that are asked for their keys and not for their weights.
type keyed struct {
	Doors
	o        KeyOptions
	cancel   context.CancelCauseFunc
	unwanted error
}

// Pods lists the routers, unless the keys are not wanted any more.
func (k *keyed) Pods(ctx context.Context) ([]Pod, error) {
	if k.o.Wanted != nil {
		if err := k.o.Wanted(ctx); err != nil && ctx.Err() == nil {
			k.unwanted = err
			k.cancel(err)
			return nil, err
		}
	}
	return k.Doors.Pods(ctx)
}

// Config tells by its hash whether the pod has the fresh key and not the stale one.
func (k *keyed) Config(ctx context.Context, pod string) (Config, error) {
	keys := []string{k.o.Fresh}
	if k.o.Stale != "" {
		keys = append(keys, k.o.Stale)
	}
	in, err := k.Admits(ctx, pod, keys...)
	switch {
	case err != nil:
		return Config{}, err
	case in[0] && (len(in) == 1 || !in[1]):
		return Config{Hash: freshKeys}, nil
	}
	return Config{Hash: staleKeys}, nil
}

// keyLagError is a LagError in words about keys.
type keyLagError struct{ lag *LagError }

func (e *keyLagError) Error() string {
	if e.lag.trouble != nil {
		return fmt.Sprintf("not all routers are known to have the new keys: %v", e.lag.trouble)
	}
	lagging := make([]string, 0, len(e.lag.Lagging))
	for _, r := range e.lag.Lagging {
		if r.Err != nil {
			lagging = append(lagging, fmt.Sprintf("%s did not answer: %v", r.Pod, r.Err))
		} else {
			lagging = append(lagging, r.Pod)
		}
	}
	return fmt.Sprintf("%d of %d routers are not known to have the new keys: %s; nodes deliver them within 90s",
		len(e.lag.Lagging), e.lag.Ready, strings.Join(lagging, "; "))
}

func (e *keyLagError) Unwrap() error { return e.lag }
