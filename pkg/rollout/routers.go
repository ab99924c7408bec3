// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package rollout brings changes of an endpoint to its routers and observes
// what they run.
package rollout

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/sync/errgroup"
)

const (
	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	routerName     = "router"
	// refreshKey is the annotation whose change makes the kubelet bring a pod's
	// mounted ConfigMaps and Secrets up to date at once, instead of after up to
	// 90 seconds.
	refreshKey = "kubectl-aml/refresh"
	// routerPort is where the router answers, configPath what it says it runs.
	routerPort = 8080
	configPath = "/-/config"
)

// Pod is a router's pod that runs and is not being deleted.
type Pod struct {
	Name, UID string
	// Ready says that requests may reach it.
	Ready bool
}

// Config is what a router says that it runs.
type Config struct {
	// Hash names the configuration: 16 hexadecimal digits.
	Hash string `json:"hash"`
	// Default is the version that serves for those without a ready pod.
	Default string `json:"default"`
	// Weights are the effective shares in percent, by version.
	Weights map[string]float64 `json:"weights"`
}

// Routers are the routers of one endpoint.
type Routers interface {
	// Pods lists those that run and are not being deleted, by name.
	Pods(ctx context.Context) ([]Pod, error)
	// Touch makes the pod's node bring its files up to date. The value must be
	// another than the last.
	Touch(ctx context.Context, pod, value string) error
	// Config asks the pod what it runs.
	Config(ctx context.Context, pod string) (Config, error)
}

// NewRouters returns the routers of an endpoint in a cluster. It needs the
// rights to list and patch pods and to get pods/proxy in the namespace.
func NewRouters(client kubernetes.Interface, namespace, endpoint string) Routers {
	return &clusterRouters{client: client, namespace: namespace, endpoint: endpoint}
}

type clusterRouters struct {
	client              kubernetes.Interface
	namespace, endpoint string
}

func (r *clusterRouters) Pods(ctx context.Context) ([]Pod, error) {
	selector := labels.Set{instanceLabel: r.endpoint, componentLabel: routerName}
	list, err := r.client.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("list the routers of endpoint %s/%s: %w", r.namespace, r.endpoint, err)
	}
	var pods []Pod
	for _, pod := range list.Items {
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			pods = append(pods, Pod{Name: pod.Name, UID: string(pod.UID), Ready: ready(&pod)})
		}
	}
	return pods, nil
}

func (r *clusterRouters) Touch(ctx context.Context, pod, value string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{refreshKey: value}},
	})
	if err != nil {
		return fmt.Errorf("encode the annotation of pod %s/%s: %w", r.namespace, pod, err)
	}
	_, err = r.client.CoreV1().Pods(r.namespace).Patch(ctx, pod, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("annotate pod %s/%s: %w", r.namespace, pod, err)
	}
	return nil
}

func (r *clusterRouters) Config(ctx context.Context, pod string) (Config, error) {
	answer := r.client.CoreV1().Pods(r.namespace).ProxyGet("http", pod, fmt.Sprint(routerPort), configPath, nil)
	body, err := answer.DoRaw(ctx)
	if err != nil {
		return Config{}, fmt.Errorf("ask pod %s/%s what it runs: %w", r.namespace, pod, err)
	}
	return parseConfig(pod, body)
}

// parseConfig reads a router's answer. It refuses one without a hash.
func parseConfig(pod string, body []byte) (Config, error) {
	var config Config
	if err := json.Unmarshal(body, &config); err != nil {
		return Config{}, fmt.Errorf("pod %s does not answer %s as a router does: %w", pod, configPath, err)
	}
	if config.Hash == "" {
		return Config{}, fmt.Errorf("pod %s does not answer %s as a router does: no hash", pod, configPath)
	}
	return config, nil
}

// askReady asks those of the routers that are ready, side by side, and returns the
// first error.
func askReady(ctx context.Context, pods []Pod, ask func(ctx context.Context, i int) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(askAtOnce)
	for i, pod := range pods {
		if pod.Ready {
			work.Go(func() error { return ask(ctx, i) })
		}
	}
	return work.Wait()
}

// ReadyPod returns the name of a router's pod that is ready, or ErrNoRouter.
func ReadyPod(ctx context.Context, routers Routers) (string, error) {
	pods, err := routers.Pods(ctx)
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		if pod.Ready {
			return pod.Name, nil
		}
	}
	return "", ErrNoRouter
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// RouterConfig is what one router runs, or why that is not known.
type RouterConfig struct {
	Pod   string
	Ready bool
	Config
	// Err is set if the router could not be asked; Config is empty then.
	Err error
}

// Running asks every router what it runs. A router that does not answer within
// two seconds has its error in the result; the error returned is that of listing
// them.
func Running(ctx context.Context, routers Routers) ([]RouterConfig, error) {
	pods, err := routers.Pods(ctx)
	if err != nil {
		return nil, err
	}
	running := make([]RouterConfig, 0, len(pods))
	for _, pod := range pods {
		limited, cancel := context.WithTimeout(ctx, askLimit)
		config, err := routers.Config(limited, pod.Name)
		cancel()
		running = append(running, RouterConfig{Pod: pod.Name, Ready: pod.Ready, Config: config, Err: err})
	}
	return running, nil
}
