// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"strings"
	"testing"
)

func TestACreateOfKindThatCannotBeRightIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, says string
		code       int
	}{
		"no name":             {"", "the name of the compute is missing: write -n NAME", 2},
		"a name of one":       {"-n a", `compute name "a": write 3 to 24 letters`, 2},
		"no node":             {"-n trial --nodes 0", "nodes 0: write 1 or more", 2},
		"nodes said twice":    {"-n trial --nodes 2 --config kind.yaml", "the nodes are in the configuration file", 2},
		"time before now":     {"-n trial --wait -1s", "wait -1s: write 0 or more", 2},
		"no such purpose":     {"-n trial --cluster-purpose Fun", "Fun", 2},
		"no such file":        {"-n trial --config none.yaml", "the configuration of kind cannot be read", 2},
		"a context's name":    {"-n kind", "the kubeconfig has a context kind, of another cluster", 3},
		"an engine of nobody": {"-n trial", `KIND_EXPERIMENTAL_PROVIDER is "lxc"`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newComputeWorld(t, 1, 4)
			w.env["KIND_EXPERIMENTAL_PROVIDER"], w.env["XDG_STATE_HOME"] = "lxc", t.TempDir()
			w.write("kind.yaml", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n")
			before := w.kubeconfig()
			r := w.compute("create kind " + c.args)
			if r.code != c.code || !strings.Contains(r.err, c.says) || r.out != "" {
				t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
			}
			if w.kubeconfig() != before {
				t.Error("the kubeconfig was changed")
			}
		})
	}
}

func TestAComputeThatIsThereIsNotCreated(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 1, 4)
	w.fine(w.compute("attach kubernetes -n lab --cluster-purpose DevTest"))
	r := w.compute("create kind -n lab")
	const want = "error: compute lab is there already: take another name, or delete it with kubectl aml compute delete -n lab\n"
	if r.code != 3 || r.err != want {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}
