// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// sparePods is the range of the pods of a cluster's only node.
const sparePods = "10.244.0.0/24"

// Spare is what kind makes one more cluster of: the image of its only node, and a
// configuration file in the folder. It is made of what the cluster that runs is
// made of, and its node is shut in as the others are.
func Spare(ctx context.Context, opts Options, folder string) (image, file string, err error) {
	s, err := open(ctx, opts)
	if err != nil {
		return "", "", err
	}
	defer s.close()
	if err := s.start(ctx); err != nil {
		return "", "", err
	}
	st, known := s.load()
	if !known {
		return "", "", ErrNotUp
	}
	mounts := s.mounts()
	if !s.published {
		network := filepath.Join(folder, "net.d")
		err = errors.Join(os.MkdirAll(network, 0o755),
			os.WriteFile(filepath.Join(network, "10-aml.conflist"), []byte(podConfig(sparePods)), 0o644))
		mounts = append(mounts, v1alpha4.Mount{HostPath: network, ContainerPath: "/etc/cni/net.d", Readonly: true})
	}
	text, marshalErr := yaml.Marshal(s.spareConfig(mounts))
	file = filepath.Join(folder, "kind.yaml")
	return st.NodeImage, file, errors.Join(err, marshalErr, os.WriteFile(file, text, 0o644))
}

// spareConfig is kindConfig with one node, which kind lets take pods by itself,
// and no port of this machine.
func (s *session) spareConfig(mounts []v1alpha4.Mount) *v1alpha4.Cluster {
	config := s.kindConfig("", mounts)
	config.Nodes = config.Nodes[:1]
	config.Nodes[0].ExtraPortMappings = nil
	config.Nodes[0].KubeadmConfigPatches = []string{usePatches}
	return config
}
