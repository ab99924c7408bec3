// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// operations are done to one endpoint while requests arrive. Nothing in them
// ends the test: they run beside it.
type operations struct {
	*space
	endpoint string

	turn   sync.Mutex
	done   []operation
	images int
}

func newOperations(s *space, endpoint string) *operations {
	return &operations{space: s, endpoint: endpoint}
}

// ready deploys blue and green.
func (o *operations) ready() {
	o.t.Helper()
	for _, version := range []string{"blue", "green"} {
		image, err := o.nextImage()
		must(o.t, err)
		o.ok(o.deployArgs(version, image, "--purpose", "FastProd")...)
	}
}

func (o *operations) deployArgs(version, image string, flags ...string) []string {
	return append([]string{"deploy", o.endpoint, "--version-name", version, "--image", image,
		"--deploy-config", "testdata/lossless/deploymentconfig.json"}, flags...)
}

// nextImage is the scoring image again, under another digest.
func (o *operations) nextImage() (string, error) {
	o.turn.Lock()
	o.images++
	number := o.images
	o.turn.Unlock()
	ref, err := name.ParseReference(os.Getenv(loaderVar))
	if err != nil {
		return "", err
	}
	image, err := remote.Image(ref)
	if err != nil {
		return "", err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	config := file.DeepCopy().Config
	config.Labels = map[string]string{"generation": fmt.Sprint(number)}
	if image, err = mutate.Config(image, config); err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	next := ref.Context().Digest(digest.String())
	return next.String(), remote.Write(next, image)
}

// do runs one operation and remembers when.
func (o *operations) do(kind, what string, run func() error) error {
	start := time.Now()
	err := run()
	o.turn.Lock()
	defer o.turn.Unlock()
	o.done = append(o.done, operation{kind: kind, what: what, start: start, end: time.Now()})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// plugin runs the plugin.
func (o *operations) plugin(kind string, args ...string) error {
	what := strings.Join(args, " ")
	return o.do(kind, what, func() error {
		if r := o.run(args...); r.code != 0 {
			return fmt.Errorf("ended with %d:\n%s%s", r.code, r.out, r.err)
		}
		return nil
	})
}

// change goes through everything that the plugin does to an endpoint, one
// after the other. At the end the endpoint is as it was.
func (o *operations) change() error {
	e := o.endpoint
	steps := []func() error{
		o.split(10, "green"),
		o.roll("blue"), o.roll("green"),
		o.split(10, "green"),
		func() error { return o.plugin("undo", "undo", e) },
		o.roll("green"),
		func() error { return o.plugin("undo", "undo", e) },
		o.split(10, "green"),
		o.add("red", "--traffic", "30"),
		func() error { return o.plugin("scale", "scale", e, "--version-name", "red", "--replicas", "3") },
		o.split(5, "green", "red"),
		func() error { return o.plugin("scale", "scale", e, "--version-name", "red", "--replicas", "1") },
		func() error { return o.plugin("delete version", "delete", "version", e, "red") },
		func() error { return o.plugin("undo", "undo", e) },
		func() error { return o.plugin("delete version", "delete", "version", e, "red") },
		o.split(10, "green"),
		o.roll("blue"), o.roll("green"),
		func() error { return o.plugin("promote", "promote", e, "green", "--retire-after", "5s") },
		func() error { return o.plugin("undo", "undo", e) }, // blue is back
		func() error { return o.plugin("default", "traffic", "set", e, "--default", "blue") },
		o.split(5, "green"),
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// split changes the weights so many times.
func (o *operations) split(times int, versions ...string) func() error {
	return func() error {
		for i := range times {
			args := []string{"traffic", "set", o.endpoint}
			for n, version := range versions {
				share := []int{80, 20, 0, 100, 50}[(i+n)%5] / len(versions)
				args = append(args, fmt.Sprintf("%s=%d", version, share))
			}
			if err := o.plugin("weight change", args...); err != nil {
				return err
			}
		}
		return nil
	}
}

// roll replaces a version's replicas by those of another image.
func (o *operations) roll(version string) func() error {
	return func() error { return o.deploy("rolling update", version) }
}

// add deploys a version that is not there.
func (o *operations) add(version string, flags ...string) func() error {
	return func() error { return o.deploy("new version", version, flags...) }
}

func (o *operations) deploy(kind, version string, flags ...string) error {
	image, err := o.nextImage()
	if err != nil {
		return err
	}
	return o.plugin(kind, o.deployArgs(version, image, flags...)...)
}

// disturb takes pods away, as nodes do that are drained and people who look
// for trouble: each with its grace period, and one after the other.
func (o *operations) disturb() error {
	const router, scoring = "router", "scoring"
	for _, component := range []string{scoring, router, scoring, scoring, router, scoring, router, scoring} {
		if err := o.deletePod(component); err != nil {
			return err
		}
	}
	return o.evict()
}

// deletePod deletes a pod of a Deployment that has another one that is ready.
func (o *operations) deletePod(component string) error {
	pod, err := o.spare(component)
	if err != nil {
		return err
	}
	return o.do(component+" pod deleted", "delete pod "+pod, func() error {
		return o.admin.CoreV1().Pods(o.namespace).Delete(o.t.Context(), pod, metav1.DeleteOptions{})
	})
}

// spare waits until all replicas of the component are there for some seconds,
// and names a pod of one that has two at least.
func (o *operations) spare(component string) (string, error) {
	var found string
	err := o.poll(func(ctx context.Context) (bool, error) {
		deployments, err := o.complete(ctx, component)
		if err != nil || len(deployments) == 0 {
			return false, err
		}
		found, err = o.oldest(ctx, deployments)
		return found != "", err
	})
	return found, err
}

func (o *operations) poll(ask wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextTimeout(o.t.Context(), 5*time.Second, 5*time.Minute, false, ask)
}

// complete are the component's Deployments of two replicas and more; none as
// long as one of them misses a replica or has one too many.
func (o *operations) complete(ctx context.Context, component string) ([]appsv1.Deployment, error) {
	list, err := o.admin.AppsV1().Deployments(o.namespace).List(ctx,
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
	if err != nil {
		return nil, err
	}
	var many []appsv1.Deployment
	for _, d := range list.Items {
		if d.Generation != d.Status.ObservedGeneration || d.Status.ReadyReplicas != *d.Spec.Replicas ||
			d.Status.Replicas != *d.Spec.Replicas {
			return nil, nil
		}
		if *d.Spec.Replicas > 1 {
			many = append(many, d)
		}
	}
	return many, nil
}

// oldest is the oldest ready pod of the Deployments.
func (o *operations) oldest(ctx context.Context, deployments []appsv1.Deployment) (string, error) {
	var pods []corev1.Pod
	for _, d := range deployments {
		list, err := o.admin.CoreV1().Pods(o.namespace).List(ctx,
			metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
		if err != nil {
			return "", err
		}
		pods = append(pods, slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })...)
	}
	if len(pods) == 0 {
		return "", nil
	}
	return slices.MinFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Compare(a.CreationTimestamp.Unix(), b.CreationTimestamp.Unix())
	}).Name, nil
}

// evict moves the endpoint's pods off one node, as kubectl drain does: those
// that the disruption budgets protect are asked again until they may go.
func (o *operations) evict() error {
	ctx := o.t.Context()
	list, err := o.admin.CoreV1().Pods(o.namespace).List(ctx,
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + o.endpoint})
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("there is no pod to evict")
	}
	node := list.Items[0].Spec.NodeName
	for _, pod := range list.Items {
		if pod.Spec.NodeName != node || pod.DeletionTimestamp != nil {
			continue
		}
		err := o.do("eviction", "evict "+pod.Name, func() error { return o.poll(o.evicted(pod.Name)) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *operations) evicted(pod string) wait.ConditionWithContextFunc {
	return func(ctx context.Context) (bool, error) {
		err := o.admin.PolicyV1().Evictions(o.namespace).Evict(ctx, &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: o.namespace}})
		if apierrors.IsTooManyRequests(err) {
			return false, nil
		}
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return err == nil, err
	}
}

// counts are how many operations of each kind were done.
func (o *operations) counts() map[string]int {
	o.turn.Lock()
	defer o.turn.Unlock()
	counts := map[string]int{}
	for _, done := range o.done {
		counts[done.kind]++
	}
	return counts
}

// told lists the operations done.
func (o *operations) told() string {
	var kinds []string
	for kind, n := range o.counts() {
		kinds = append(kinds, fmt.Sprintf("%d × %s", n, kind))
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

// wanted fails the test unless so many operations were done in each round.
func (o *operations) wanted(rounds int) {
	o.t.Helper()
	counts := o.counts()
	for kind, n := range map[string]int{
		"weight change": 50, "rolling update": 5, "undo": 4, "promote": 1, "scale": 2, "delete version": 2,
		"router pod deleted": 3, "scoring pod deleted": 5, "eviction": 1,
	} {
		if counts[kind] < n*rounds {
			o.t.Errorf("%s: %d times, want %d", kind, counts[kind], n*rounds)
		}
	}
}
