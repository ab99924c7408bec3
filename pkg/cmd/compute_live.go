// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// gpu is the resource by which NVIDIA's device plugin offers GPUs.
const gpu = "nvidia.com/gpu"

// liveCluster is what a cluster tells about itself.
type liveCluster struct {
	Version string `json:"version,omitempty"`
	// Nodes, CPUs and GPUs are those that replicas can have.
	Nodes int `json:"nodes"`
	CPUs  int `json:"cpus"`
	GPUs  int `json:"gpus"`
	// Hidden says why the nodes are not known.
	Hidden string `json:"nodesHidden,omitempty"`
}

// count is how many there are in a table.
func (l liveCluster) count(n int) string {
	if l.Hidden != "" || l.Version == "" {
		return none
	}
	return strconv.Itoa(n)
}

// live asks the cluster for its record, version and nodes, all at once. The error
// is the record's: who may not list nodes sees the rest.
func (s *Session) live(ctx context.Context) (liveCluster, compute.Record, error) {
	var (
		live  liveCluster
		told  = make(chan string, 1)
		nodes = make(chan error, 1)
		list  *corev1.NodeList
	)
	go func() {
		version, _ := s.version(ctx) // why there is none, the record's error tells
		told <- version
	}()
	go func() {
		var err error
		list, err = s.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		nodes <- err
	}()
	record, err := compute.Read(ctx, s.Kube)
	live.Version = <-told
	if nodesErr := <-nodes; nodesErr != nil {
		live.Hidden = compute.Denied("list the nodes", nodesErr).Error()
		return live, record, err
	}
	capacity := compute.Measure(list.Items)
	live.Nodes, live.CPUs, live.GPUs = capacity.Nodes, capacity.CPUs, gpus(list.Items)
	return live, record, err
}

func gpus(nodes []corev1.Node) int {
	n := 0
	for _, node := range nodes {
		amount := node.Status.Allocatable[gpu]
		n += int(amount.Value())
	}
	return n
}

// version is that of Kubernetes in the cluster.
func (s *Session) version(ctx context.Context) (string, error) {
	v, err := discovery.ToServerVersionInterfaceWithContext(s.Kube.Discovery()).ServerVersionWithContext(ctx)
	if err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// recent refuses a cluster that is older than the chart wants.
func (s *Session) recent(ctx context.Context) error {
	c, err := chart.Load()
	if err != nil {
		return err
	}
	version, err := s.version(ctx)
	if err != nil {
		return err
	}
	return compute.CheckVersion(version, c.Metadata.KubeVersion)
}

const none = "<none>"

// orNone is how a table writes what is not there.
func orNone(s string) string { return cmp.Or(s, none) }
