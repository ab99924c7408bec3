// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// deleteTries is how often we try to delete what a revision no longer has.
const deleteTries = 5

// deleteOutdated deletes what the revision no longer has. Nobody looks for it
// once the revision is in force. So what cannot be deleted is tried again, as
// Helm's update does not, and then told; the revision is good all the same.
func (g *gate) deleteOutdated() {
	var left helmkube.ResourceList
	var errs []error
	for try := range deleteTries {
		if left = stillThere(g.ctx, g.outdated); len(left) == 0 {
			return
		}
		if err := g.pause(try); err != nil {
			errs = []error{err}
			break
		}
		if _, errs = g.Interface.Delete(left); len(errs) == 0 {
			return
		}
	}
	left = stillThere(g.ctx, left)
	if len(left) == 0 {
		return
	}
	names := make([]string, 0, len(left))
	for _, object := range left {
		names = append(names, strings.ToLower(object.Mapping.GroupVersionKind.Kind)+"/"+object.Name)
	}
	all := strings.Join(names, " ")
	g.log(fmt.Sprintf("warning: the revision has no %s any more, but deleting failed: %s: delete with: "+
		"kubectl delete -n %s %s", all, oneLine(errors.Join(errs...).Error()), left[0].Namespace, all))
}

// pause waits before each try but the first, and returns an error if nothing may
// be written any more.
func (g *gate) pause(try int) error {
	if try > 0 {
		select {
		case <-g.ctx.Done():
		case <-g.clock.After(deleteLook):
		}
	}
	return g.open()
}

// stillThere are the objects that are there, or may be, and are to go: not those
// that are being deleted, and not those that somebody told Helm to keep.
func stillThere(ctx context.Context, objects helmkube.ResourceList) helmkube.ResourceList {
	return objects.Filter(func(object *resource.Info) bool {
		there, err := live(ctx, object)
		if err != nil {
			return !apierrors.IsNotFound(err)
		}
		read, err := meta.Accessor(there)
		return err != nil || read.GetDeletionTimestamp() == nil &&
			read.GetAnnotations()[helmkube.ResourcePolicyAnno] != helmkube.KeepPolicy
	})
}
