// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"path/filepath"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute/kindcluster"
)

// kindClusters are those of kind on this machine.
func (o *options) kindClusters() (*kindcluster.Clusters, error) {
	return kindcluster.New(kindcluster.Options{
		Engine: o.Getenv("KIND_EXPERIMENTAL_PROVIDER"), Log: o.Streams.ErrOut, Clock: o.Clock,
		State: filepath.Join(o.folder("XDG_STATE_HOME", ".local", "state"), "kind"),
	})
}

// deleteKind deletes a cluster that compute create kind made, and what is left of
// one that it did not finish. One that is not there is no error.
func (o *options) deleteKind(ctx context.Context, cluster string) error {
	clusters, err := o.kindClusters()
	if err != nil {
		return err
	}
	return clusters.Delete(ctx, cluster)
}
