// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"
)

// untainted makes kubeadm let the control plane take pods, which kind keeps from
// it as soon as there are other nodes.
const untainted = "kind: InitConfiguration\nnodeRegistration:\n  taints: []\n"

// forKind are o as kind takes them.
func (o CreateOptions) forKind(kubeconfig string) []cluster.CreateOption {
	described := cluster.CreateWithRawConfig(o.Config)
	if o.Config == nil {
		described = cluster.CreateWithV1Alpha4Config(o.cluster())
	}
	return []cluster.CreateOption{
		described, cluster.CreateWithNodeImage(o.Image), cluster.CreateWithKubeconfigPath(kubeconfig),
		cluster.CreateWithWaitForReady(o.Wait), cluster.CreateWithRetain(o.Retain),
		cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
	}
}

// cluster describes as many nodes as are asked for.
func (o CreateOptions) cluster() *v1alpha4.Cluster {
	config := &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Nodes:    []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}},
	}
	if o.Nodes > 1 { // of one node, kind takes the taint itself, and fails where there is none
		config.Nodes[0].KubeadmConfigPatches = []string{untainted}
	}
	for range o.Nodes - 1 {
		config.Nodes = append(config.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole})
	}
	return config
}

// told is err on one line: what was tried, and what the program that kind ran
// said of it.
func told(tried string, err error) error {
	if err == nil {
		return nil
	}
	said := ""
	if run := exec.RunErrorForError(err); run != nil {
		said = reason(string(run.Output))
	}
	if said == "" {
		said, _, _ = strings.Cut(err.Error(), "\n")
	}
	return engineError{fmt.Sprintf("%s: %s", tried, said), err}
}

// reason is the first line of an output that speaks of an error, else the last:
// what kubeadm says ends with a stack.
func reason(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.HasPrefix(strings.ToLower(line), "error") {
			return line
		}
		last = line
	}
	return last
}

// engineError says on one line what went wrong.
type engineError struct {
	message string
	err     error
}

func (e engineError) Error() string { return e.message }
func (e engineError) Unwrap() error { return e.err }
