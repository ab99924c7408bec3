// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

// The exit codes of the commands of compute, beside exitOK, exitFailed and exitUsage.
const (
	exitConflict  = 3 // it is there already, attached already, or somebody else is at work
	exitQuota     = 4 // not enough capacity, or quota
	exitDenied    = 5 // not signed in, or no right to do this
	exitUnderWay  = 6 // throttled or still under way: go on with compute wait
	exitNoCompute = 7 // there is no such thing
)

// computeError is an error of a command of compute with the code it ends with.
type computeError struct {
	error
	code int
}

func (e computeError) Unwrap() error { return e.error }

// compute makes the error of a run of a command of compute end with its own code.
func (o *options) compute(run func(ctx context.Context) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		err := run(c.Context())
		if code := computeCode(err); code != exitFailed && err != nil {
			return computeError{err, code}
		}
		return err
	}
}

// computeCode is the exit code of what a command of compute ended with.
func computeCode(err error) int {
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	if code := recordCode(err); code != exitFailed {
		return code
	}
	switch aks.ReasonOf(err) {
	case aks.Conflict:
		return exitConflict
	case aks.Quota:
		return exitQuota
	case aks.Denied:
		return exitDenied
	case aks.Throttled, aks.UnderWay:
		return exitUnderWay
	case aks.NotFound:
		return exitNoCompute
	case aks.Invalid:
		return exitUsage
	}
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return exitDenied
	}
	return exitFailed
}

// newCompute is the parent of everything about the clusters that endpoints run on.
func newCompute(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "compute",
		Short: "Create, attach and check the clusters that endpoints run on",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	create := &cobra.Command{
		Use: "create", Short: "Create a cluster and attach it",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	attach := &cobra.Command{
		Use: "attach", Short: "Attach a cluster that is there already",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	create.AddCommand(newCreateAKS(o), newComputeCreateKind(o))
	attach.AddCommand(newComputeAttachKubernetes(o), newComputeAttachAKS(o))
	c.AddCommand(create, attach, newComputeDetach(o), newComputeDelete(o), newComputeWait(o), newComputeUpdateSSL(o))
	c.AddCommand(newComputeList(o, "list", "ls"), newComputeShow(o), newComputeUse(o), newComputeGetCredentials(o),
		newComputeVersions(o), newComputeToken(o), newNodePool(o), newComputeCheck(o))
	return c
}
