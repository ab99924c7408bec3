// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// jobFlags say what a build in the cluster may use, as Kubernetes writes it; what
// is empty is left to the builder.
type jobFlags struct{ cpu, memory, disk string }

// amount is one of them.
type amount struct {
	flag, value string
	// least is what nothing builds with less of.
	least, such string
}

func (j *jobFlags) amounts() []amount {
	return []amount{
		{"builder-cpu", j.cpu, "100m", "4"},
		{"builder-memory", j.memory, "256Mi", "8Gi"},
		{"builder-disk", j.disk, "1Gi", "100Gi"},
	}
}

func (j *jobFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&j.cpu, "builder-cpu", "", "CPU that a build in the cluster may use, as a quantity; a quarter of it is "+
		"asked for (default "+build.DefaultCPU+")")
	f.StringVar(&j.memory, "builder-memory", "", "Memory that a build in the cluster may use; a quarter of it is asked "+
		"for (default "+build.DefaultMemory+")")
	f.StringVar(&j.disk, "builder-disk", "", "Disk of the node that a build in the cluster may fill; a quarter of it is "+
		"asked for (default "+build.DefaultDisk+")")
	for flag, values := range map[string][]string{
		"builder-cpu":    {"2", "4", "8"},
		"builder-memory": {"4Gi", "8Gi", "16Gi"},
		"builder-disk":   {"50Gi", "100Gi", "200Gi"},
	} { // the only error is a second one
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// check refuses what is no amount, or none to build with, and what another builder
// would not heed.
func (j *jobFlags) check(builder string) []error {
	var errs []error
	var given []string
	for _, a := range j.amounts() {
		if a.value == "" {
			continue
		}
		given = append(given, "--"+a.flag)
		switch q, err := resource.ParseQuantity(a.value); {
		case err != nil:
			errs = append(errs, usageError{fmt.Errorf("--%s %q is not a quantity: write one such as %s", a.flag, a.value,
				a.such)})
		case q.Cmp(resource.MustParse(a.least)) < 0:
			errs = append(errs, usageError{fmt.Errorf("--%s %s is too little to build with: write %s or more, such as %s",
				a.flag, a.value, a.least, a.such)})
		}
	}
	if len(given) > 0 && builder != builderCluster {
		errs = append(errs, usageError{fmt.Errorf("only a build in the cluster has %s: write --builder %s, or leave it out",
			strings.Join(given, ", "), builderCluster)})
	}
	return errs
}

// into sets the amounts that were given; they have been checked.
func (j *jobFlags) into(o build.ClusterOptions) build.ClusterOptions {
	for _, to := range []struct {
		amount *resource.Quantity
		value  string
	}{{&o.CPU, j.cpu}, {&o.Memory, j.memory}, {&o.Disk, j.disk}} {
		if q, err := resource.ParseQuantity(to.value); err == nil {
			*to.amount = q
		}
	}
	return o
}
