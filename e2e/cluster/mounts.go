// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// kubeletDropIn shuts a node in before the kubelet starts the first pod. A node
// that is started again has lost its rules, and its pods call services before
// kube-proxy has come to rewrite that: such packets must not get out.
const kubeletDropIn = `[Service]
ExecStartPre=/bin/sh -eu /etc/aml/contain.sh
`

// writeMounts writes the files of this machine that the nodes see, and returns
// where they see them: kubeadm's patches; the rules that shut a node in; where
// containerd finds the registry, under the name that this machine uses and, where
// nothing published can be reached, in the place of Kubernetes' own.
func (s *session) writeMounts() ([]v1alpha4.Mount, error) {
	hosts := hostsFile(s.registryName())
	files := map[string]string{
		"certs.d/" + s.registryHost() + "/hosts.toml": hosts,
		"node/contain.sh": containment(s.subnet, !s.published),
		"kubelet.conf":    kubeletDropIn,
	}
	if !s.published {
		files["certs.d/registry.k8s.io/hosts.toml"] = hosts
	}
	for name, content := range patches() {
		files["patches/"+name] = content
	}
	for name, content := range files {
		path := filepath.Join(s.folder(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	return s.mounts(), nil
}

// mounts is where the nodes see the files that writeMounts writes.
func (s *session) mounts() []v1alpha4.Mount {
	var mounts []v1alpha4.Mount
	for _, m := range []struct{ name, on string }{
		{"certs.d", "/etc/containerd/certs.d"},
		{"patches", patchFolder},
		{"node", "/etc/aml"},
		{"kubelet.conf", "/etc/systemd/system/kubelet.service.d/20-aml.conf"},
	} {
		mounts = append(mounts, v1alpha4.Mount{
			HostPath: filepath.Join(s.folder(), m.name), ContainerPath: m.on, Readonly: true,
		})
	}
	return mounts
}
