// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// Session is the cluster and the namespace that a command works in.
type Session struct {
	Namespace string
	REST      *rest.Config
	Kube      kubernetes.Interface
	// Dynamic reads what Kube has no types for: the Gateway API.
	Dynamic  dynamic.Interface
	Releases Releases
	// Compute is the context in use if it is that of a compute; nil for others.
	Compute *compute.Context
	// Forward opens a way to a router's pod and Doors are the routers as callers
	// meet them; nil for those of the cluster.
	Forward func(ctx context.Context, pod string) (baseURL string, closeWay func(), err error)
	Doors   func(endpoint string) rollout.Doors
}

func (s *Session) doors(endpoint string) rollout.Doors {
	if s.Doors != nil {
		return s.Doors(endpoint)
	}
	return rollout.NewDoors(s.REST, s.Kube, s.Namespace, endpoint)
}

// Releases is what the commands ask of Helm.
type Releases interface {
	Get(ctx context.Context, name string) (release.Release, error)
	Newest(ctx context.Context, name string) (release.Release, error)
	List(ctx context.Context, allNamespaces bool) ([]release.Release, error)
	Revisions(ctx context.Context) ([]release.Release, error)
	History(ctx context.Context, name string) ([]release.Release, error)
	Apply(ctx context.Context, name string, change release.Change, o release.ApplyOptions) (release.Result, error)
	Undo(ctx context.Context, name string, toRevision int, o release.ApplyOptions) (release.Result, error)
	Plan(ctx context.Context, name string, change release.Change) (release.Result, error)
	Objects(ctx context.Context, r release.Release) ([]drift.Object, error)
	Compare(ctx context.Context, name, proposed string) ([]drift.Object, error)
	Delete(ctx context.Context, name string, o release.DeleteOptions) error
}

// deployed is an endpoint as its release in force describes it.
type deployed struct {
	endpoint.Endpoint
	release release.Release
	values  chart.Values
}

// endpoint reads what is in force. The error of a missing one says how to see
// those there are.
func (s *Session) endpoint(ctx context.Context, name string) (deployed, error) {
	r, err := s.Releases.Get(ctx, name)
	if errors.Is(err, release.ErrNotFound) {
		return deployed{}, s.missing(name)
	}
	if err != nil {
		return deployed{}, err
	}
	return read(r)
}

func (s *Session) missing(name string) error { return missingError{name, s.Namespace} }

// missingError is release.ErrNotFound with what to do about it.
type missingError struct{ name, namespace string }

func (e missingError) Error() string {
	return fmt.Sprintf("no endpoint %q in namespace %q: see kubectl aml get endpoints -n %s",
		e.name, e.namespace, e.namespace)
}

func (missingError) Is(target error) bool { return target == release.ErrNotFound }

// read turns a release into the endpoint it holds.
func read(r release.Release) (deployed, error) {
	values, err := chart.ParseValues(r.Values)
	if err != nil {
		return deployed{}, fmt.Errorf("release %s/%s (chart %s): %w", r.Namespace, r.Name, r.ChartVersion, err)
	}
	return deployed{Endpoint: values.Endpoint(r.Name), release: r, values: values}, nil
}

// configMap is the router's configuration as the cluster holds it.
func (s *Session) configMap(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	cm, err := s.Kube.CoreV1().ConfigMaps(s.Namespace).Get(ctx, name+"-router", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, lostError{name}
	}
	return cm, err
}

// lostError is for an endpoint whose router's configuration is not there.
type lostError struct{ name string }

func (e lostError) Error() string {
	return fmt.Sprintf("endpoint %q has lost its ConfigMap %s-router: deploy it again", e.name, e.name)
}

func (e Env) clusterSession(flags *genericclioptions.ConfigFlags) (*Session, error) {
	if err := configured(flags); err != nil {
		return nil, err
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	target, err := computeOf(flags)
	if err != nil {
		return nil, err
	}
	// client-go's default of 5 requests a second is for controllers that run for
	// months: waiting for pods and asking routers takes more, for seconds.
	config.QPS, config.Burst = 50, 100
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c, err := chart.Load()
	if err != nil {
		return nil, err
	}
	releases := release.New(flags, release.Options{
		Namespace: namespace, Chart: c, Clock: e.Clock, Holder: e.Holder,
		Log: func(line string) { fmt.Fprintln(e.Streams.ErrOut, line) },
	})
	return &Session{
		Namespace: namespace, REST: config, Kube: kube, Dynamic: objects, Releases: releases, Compute: target,
	}, nil
}

var errNoCluster = errors.New("no cluster is configured: set KUBECONFIG, or name a file with --kubeconfig")

// configured refuses to go on without any cluster named: client-go would try
// one on this machine.
func configured(flags *genericclioptions.ConfigFlags) error {
	config, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return err
	}
	if len(config.Clusters) == 0 && *flags.APIServer == "" {
		if _, err := rest.InClusterConfig(); err != nil {
			return errNoCluster
		}
	}
	return nil
}
