// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// patchFolder is where a node finds kubeadm's patches.
const patchFolder = "/kind/patches"

// usePatches makes kubeadm take the patches in patchFolder.
const usePatches = "kind: InitConfiguration\npatches:\n  directory: " + patchFolder + "\n"

// writePatches makes the control plane ask for next to no CPU. By itself it
// asks for 650m, which on a small machine is a third of all that can be asked
// for: endpoints would then find no node, though the CPUs are idle. It returns
// the folder to mount.
func (s *session) writePatches() (string, error) {
	dir := filepath.Join(s.folder(), "patches")
	errs := []error{os.MkdirAll(dir, 0o755)}
	for _, part := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		patch := fmt.Sprintf("spec:\n  containers:\n  - name: %s\n    resources:\n      requests:\n        cpu: 10m\n", part)
		errs = append(errs, os.WriteFile(filepath.Join(dir, part+"+strategic.yaml"), []byte(patch), 0o644))
	}
	return dir, errors.Join(errs...)
}
