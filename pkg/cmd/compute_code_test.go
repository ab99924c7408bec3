// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

func TestEveryReasonOfAComputeHasItsExitCode(t *testing.T) {
	t.Parallel()
	of := func(reason aks.Reason) error { return fmt.Errorf("x: %w", &aks.Error{Reason: reason}) }
	configMaps := corev1.Resource("configmaps")
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing wrong":             {nil, 0},
		"anything":                  {errors.New("x"), 1},
		"interrupted":               {context.Canceled, 1},
		"it failed":                 {of(aks.Failed), 1},
		"a flag":                    {usageError{errors.New("x")}, 2},
		"Azure refuses the request": {of(aks.Invalid), 2},
		"it is there already":       {of(aks.Conflict), 3},
		"attached already":          {fmt.Errorf("x: %w", &compute.AttachedError{}), 3},
		"attached by another since": {&compute.StaleError{}, 3},
		"quota":                     {of(aks.Quota), 4},
		"no right in Azure":         {of(aks.Denied), 5},
		"no right in the cluster":   {apierrors.NewForbidden(configMaps, "x", nil), 5},
		"not known to the cluster":  {apierrors.NewUnauthorized("x"), 5},
		"throttled":                 {of(aks.Throttled), 6},
		"under way":                 {of(aks.UnderWay), 6},
		"no such cluster":           {of(aks.NotFound), 7},
		"not attached":              {fmt.Errorf("x: %w", compute.ErrNotAttached), 7},
		"several, one with a code":  {errors.Join(errors.New("x"), of(aks.Denied)), 5},
	} {
		var o options
		err := o.compute(func(context.Context) error { return c.err })(&cobra.Command{}, nil)
		if got := ExitCode(err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s: became %v", name, err)
		}
	}
}
