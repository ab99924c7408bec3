// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// computeOf is the context that the flags name, if it is that of a compute and
// they do not lead to another cluster than it says; nil otherwise.
func computeOf(flags *genericclioptions.ConfigFlags) (*compute.Context, error) {
	if *flags.APIServer != "" || *flags.ClusterName != "" {
		return nil, nil
	}
	loader := flags.ToRawKubeConfigLoader()
	config, err := loader.RawConfig()
	if err != nil {
		return nil, err
	}
	kubeconfig := compute.Kubeconfig{Access: loader.ConfigAccess()}
	found, ok, err := kubeconfig.Context(cmp.Or(*flags.Context, config.CurrentContext))
	if err != nil || !ok || found.Marker == nil {
		return nil, err
	}
	return &found, nil
}

// attached is the record of the compute that s works on, read anew from the
// cluster. It is an error if the compute was detached, or attached again by
// somebody. It is nil if the context is of no compute, for which nothing is
// asked, and if the user may not read the record: whoever may not is told so and
// goes on, because detaching a compute takes nobody's rights away.
func (o *options) attached(ctx context.Context, s *Session) (*compute.Record, error) {
	if s.Compute == nil {
		return nil, nil
	}
	mine := s.Compute.Marker
	record, err := compute.Read(ctx, s.Kube)
	switch {
	case errors.Is(err, compute.ErrNotAttached):
		return nil, fmt.Errorf("compute %s was detached from this cluster, nothing is changed: attach it again with %s, "+
			"or use another context", mine.Name, attaching(*mine, mine.Name, s.Compute.Name))
	case apierrors.IsForbidden(err):
		o.tell("warning: nobody can tell whether compute %s is still attached: there is no right to get configmap %s in "+
			"namespace %s", mine.Name, compute.RecordName, compute.SystemNamespace)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the record of compute %s cannot be read: %w", mine.Name, err)
	case record.UID != mine.AttachmentUID:
		return nil, reattached(*s.Compute, record)
	}
	return &record, nil
}

// reattached says who attached the cluster since, and what to do about it.
func reattached(mine compute.Context, now compute.Record) error {
	what := "re-attached this cluster as compute " + now.Name
	if now.Name == mine.Marker.Name {
		what = "changed the attachment of compute " + now.Name
	}
	return fmt.Errorf("%s (%s, %s) %s after context %s was made for compute %s, nothing is changed: take theirs up with "+
		"%s, or use another context", now.AttachedBy, now.AttachedFrom, now.AttachedAt.UTC().Format("2006-01-02 15:04 MST"),
		what, mine.Name, mine.Marker.Name, attaching(*mine.Marker, now.Name, mine.Name))
}

// attaching is the command that attaches the cluster of a context.
func attaching(m compute.Marker, name, kubeContext string) string {
	if m.Provider == compute.AKS && m.ResourceID != "" {
		return fmt.Sprintf("kubectl aml compute attach aks -n %s -i %s", name, m.ResourceID)
	}
	return fmt.Sprintf("kubectl aml compute attach kubernetes -n %s --context %s", name, kubeContext)
}
