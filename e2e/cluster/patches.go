// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import "fmt"

// patchFolder is where a node finds kubeadm's patches.
const patchFolder = "/kind/patches"

// usePatches makes kubeadm take the patches in patchFolder.
const usePatches = "kind: InitConfiguration\npatches:\n  directory: " + patchFolder + "\n"

// patches are files, by name, that make the control plane ask for next to no
// CPU. By itself it asks for 650m, which on a small machine is a third of all
// that can be asked for: endpoints would then find no node, though the CPUs are
// idle.
func patches() map[string]string {
	files := map[string]string{}
	for _, part := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		files[part+"+strategic.yaml"] = fmt.Sprintf(
			"spec:\n  containers:\n  - name: %s\n    resources:\n      requests:\n        cpu: 10m\n", part)
	}
	return files
}
