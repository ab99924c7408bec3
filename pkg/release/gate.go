// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/utils/clock"
)

// deleteLook is how often objects that are being deleted are looked at.
const deleteLook = time.Second

// gate is Helm's Kubernetes client with what Helm has no options for:
//   - nothing is written after the context ended or the Lease was lost. Helm is
//     not given our context itself: it would return at once and go on working in
//     the background while we roll back (https://github.com/helm/helm/issues/13126);
//   - waiting is ours (ready), and ends with the context;
//   - updates start from every revision that may have left something in the
//     cluster, not only from the one Helm takes for current (leftovers);
//   - what a revision no longer has is deleted last, once the revision is ready;
//   - the API server's schemas are not read, for hooks neither (Build).
type gate struct {
	helmkube.Interface
	ctx   context.Context // Helm's interface has no parameter for it
	fence func() error
	clock clock.WithTicker
	log   func(string)

	ready        func(context.Context) error
	readyTimeout time.Duration
	// attempts are the manifests of the revisions from the one in force on.
	attempts []string
	// installing makes Update wait for objects that are being deleted.
	installing bool
	// deleteLast leaves it to Wait to delete what Update no longer finds in the
	// release: until every router knows better, requests are sent there.
	deleteLast bool

	// description is that of the revision, if Helm takes none.
	description string
	// step tells whether the revision is only a step to another one; nil: no.
	step func() bool
	// keep is a revision that is not pruned; 0: none.
	keep int
	// adopted are objects of the endpoint that Helm does not know of.
	adopted helmkube.ResourceList

	updateErr  error                 // why Update failed
	readyErr   error                 // what ready said
	deleteErrs []error               // what Helm swallows
	deleting   helmkube.ResourceList // what was deleted, of which Helm knows a part
	outdated   helmkube.ResourceList // what Wait has to delete
}

// open returns an error if nothing may be written any more.
func (g *gate) open() error {
	if err := g.fence(); err != nil {
		return err
	}
	return context.Cause(g.ctx)
}

// Build reads the objects without the API server's schemas, which takes as long as the
// rest of an upgrade. Helm only sees from them that the server can check fields itself,
// as all that the chart admits can, and then leaves the check to it.
func (g *gate) Build(manifest io.Reader, _ bool) (helmkube.ResourceList, error) {
	return g.Interface.Build(manifest, false)
}

// Create creates the objects.
func (g *gate) Create(objects helmkube.ResourceList) (*helmkube.Result, error) {
	if err := g.open(); err != nil {
		return nil, err
	}
	return g.Interface.Create(objects)
}

// Update makes the cluster have target, and removes what original or an earlier
// attempt has more. It merges three ways for all kinds: Helm's plain update
// compares only old and new manifest for kinds it does not know, so that a field
// somebody edited, such as the weights of an HTTPRoute, would stay.
func (g *gate) Update(original, target helmkube.ResourceList, force bool) (result *helmkube.Result, err error) {
	defer func() { g.updateErr = err }()
	if err := g.open(); err != nil {
		return &helmkube.Result{}, err
	}
	original, err = g.leftovers(slices.Concat(original, g.adopted))
	if err == nil {
		err = leaveReplicas(original, target)
	}
	if err == nil {
		err = displacePorts(g.ctx, original, target)
	}
	if err == nil && g.installing {
		err = g.WaitForDelete(terminating(g.ctx, target), undoTimeout)
	}
	if err != nil {
		return &helmkube.Result{}, err
	}
	if g.deleteLast {
		g.outdated = original.Difference(target).Filter(func(o *resource.Info) bool { return !scales(o) })
		original = original.Difference(g.outdated)
	}
	return g.merge(original, target, force)
}

func (g *gate) merge(original, target helmkube.ResourceList, force bool) (*helmkube.Result, error) {
	if three, ok := g.Interface.(helmkube.InterfaceThreeWayMerge); ok {
		return three.UpdateThreeWayMerge(original, target, force)
	}
	return g.Interface.Update(original, target, force)
}

// scales says that an object may not outlive its release: an autoscaler would
// go on changing the replicas that the revision sets.
func scales(object *resource.Info) bool {
	return object.Mapping.GroupVersionKind.Kind == "HorizontalPodAutoscaler"
}

// Delete deletes the objects.
func (g *gate) Delete(objects helmkube.ResourceList) (*helmkube.Result, []error) {
	if err := g.open(); err != nil {
		return nil, []error{err}
	}
	return g.Interface.Delete(objects)
}

// DeleteWithPropagationPolicy deletes the objects, those of earlier attempts
// included, and keeps the errors: Helm only logs them.
func (g *gate) DeleteWithPropagationPolicy(objects helmkube.ResourceList,
	policy metav1.DeletionPropagation) (*helmkube.Result, []error) {
	err := g.open()
	if err == nil {
		objects, err = g.leftovers(objects)
	}
	if err != nil {
		g.deleteErrs = []error{err}
		return nil, g.deleteErrs
	}
	g.deleting = objects
	var result *helmkube.Result
	if d, ok := g.Interface.(helmkube.InterfaceDeletionPropagation); ok {
		result, g.deleteErrs = d.DeleteWithPropagationPolicy(objects, policy)
	} else {
		result, g.deleteErrs = g.Interface.Delete(objects)
	}
	return result, g.deleteErrs
}

// Wait asks ready instead of counting pods, and then deletes what the revision
// no longer has. It is left in place if the revision does not get ready: it
// serves what it served, and whoever undoes the revision finds it.
func (g *gate) Wait(helmkube.ResourceList, time.Duration) error {
	if g.readyErr = g.open(); g.readyErr == nil && g.ready != nil {
		g.readyErr = g.askReady()
	}
	if g.readyErr == nil {
		g.readyErr = g.open()
	}
	if g.readyErr == nil {
		g.deleteOutdated()
	}
	return g.readyErr
}

func (g *gate) askReady() error {
	ctx, cancel := g.ctx, context.CancelFunc(func() {})
	if g.readyTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, g.readyTimeout)
	}
	defer cancel()
	return g.ready(ctx)
}

// WaitWithJobs is Wait: the chart has no jobs but hooks, which are watched otherwise.
func (g *gate) WaitWithJobs(objects helmkube.ResourceList, timeout time.Duration) error {
	return g.Wait(objects, timeout)
}

// WatchUntilReady waits for hooks, until the context ends.
func (g *gate) WatchUntilReady(objects helmkube.ResourceList, timeout time.Duration) error {
	if err := g.open(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- g.Interface.WatchUntilReady(objects, timeout) }()
	select {
	case err := <-done:
		return err
	case <-g.ctx.Done(): // what goes on in the background only reads
		return context.Cause(g.ctx)
	}
}

// WaitForDelete waits until the objects are gone, those of earlier attempts
// included, and keeps the error: Helm would put phrases around it.
func (g *gate) WaitForDelete(objects helmkube.ResourceList, timeout time.Duration) error {
	for _, object := range g.deleting {
		if !objects.Contains(object) {
			objects.Append(object)
		}
	}
	err := g.untilGone(objects, timeout)
	if err != nil {
		g.deleteErrs = append(g.deleteErrs, err)
	}
	return err
}

func (g *gate) untilGone(objects helmkube.ResourceList, timeout time.Duration) error {
	deadline := g.clock.Now().Add(timeout)
	for {
		left, err := remaining(g.ctx, objects)
		if err != nil || len(left) == 0 {
			return err
		}
		if !g.clock.Now().Before(deadline) {
			return fmt.Errorf("still being deleted after %s: %s", timeout, strings.Join(left, ", "))
		}
		select {
		case <-g.ctx.Done():
			return context.Cause(g.ctx)
		case <-g.clock.After(deleteLook):
		}
	}
}

// terminating are the objects that are being deleted, such as the rest of an
// endpoint whose Delete ended before its pods did. An install would adopt them
// and lose them again.
func terminating(ctx context.Context, objects helmkube.ResourceList) helmkube.ResourceList {
	return objects.Filter(func(object *resource.Info) bool {
		live, err := live(ctx, object)
		if err != nil {
			return false // not there, or the update will tell
		}
		read, err := meta.Accessor(live)
		return err == nil && read.GetDeletionTimestamp() != nil
	})
}

// remaining names the objects that are still there.
func remaining(ctx context.Context, objects helmkube.ResourceList) ([]string, error) {
	var left []string
	for _, object := range objects {
		switch _, err := live(ctx, object); {
		case err == nil:
			left = append(left, object.ObjectName())
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return left, nil
}

// GetPodList lists the pods of a hook whose log is wanted.
func (g *gate) GetPodList(namespace string, o metav1.ListOptions) (*corev1.PodList, error) {
	if logs, ok := g.Interface.(helmkube.InterfaceLogs); ok {
		return logs.GetPodList(namespace, o)
	}
	return &corev1.PodList{}, nil
}

// OutputContainerLogsForPodList writes the log of a hook.
func (g *gate) OutputContainerLogsForPodList(pods *corev1.PodList, namespace string,
	to func(namespace, pod, container string) io.Writer) error {
	if logs, ok := g.Interface.(helmkube.InterfaceLogs); ok {
		return logs.OutputContainerLogsForPodList(pods, namespace, to)
	}
	return nil
}
