// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// CheckVersion compares a version of Kubernetes with the ones that wants names, as
// Helm writes it. What is no version at all is let through.
func CheckVersion(has, wants string) error {
	wanted, err := semver.NewConstraint(wants)
	if err != nil {
		return fmt.Errorf("the chart wants the version %q of Kubernetes, which is none: %w", wants, err)
	}
	v, err := semver.NewVersion(has)
	if err != nil || wanted.Check(v) {
		return nil
	}
	return errors.New("the cluster has Kubernetes " + has + " and endpoints need " + wants + ": upgrade it first")
}

// version fails for a cluster that does not answer: everybody may ask this.
func (f Facts) version() Check {
	const check = "kubernetes-version"
	switch err := f.Version.Err; {
	case apierrors.IsForbidden(err):
		return unsure(check, "get the version of the cluster", err)
	case err != nil:
		return failed(check, told(err), "see whether the cluster runs, and whether you are in its network; "+
			"kubectl cluster-info asks it, too")
	}
	if err := CheckVersion(f.Version.Value, f.Wants); err != nil {
		return failed(check, f.Version.Value+"; endpoints need "+f.Wants, "upgrade the cluster")
	}
	return good(check, f.Version.Value)
}

// capacity compares the nodes with what the purpose asks for. Without a record
// nobody has said that it is for production, so the rule only warns.
func (f Facts) capacity() Check {
	const check = "capacity"
	if f.Nodes.Err != nil {
		return unsure(check, "list nodes", f.Nodes.Err)
	}
	c := Measure(f.Nodes.Value)
	purpose := cmp.Or(f.Record.Value.Purpose, endpoint.FastProd)
	idle := ""
	if n := len(f.Nodes.Value) - c.Nodes; n > 0 {
		idle = fmt.Sprintf("; %s not ready, cordoned or for the control plane", plural(n, "more node"))
	}
	const remedy = "add nodes, or attach the cluster with --cluster-purpose DevTest"
	warning, err := c.Enough(purpose)
	switch {
	case c.Nodes == 0:
		return failed(check, "no node takes replicas"+idle, "add nodes, or uncordon some: see kubectl get nodes")
	case err != nil && f.Record.Err != nil:
		return warned(check, err.Error()+idle, "add nodes for production; attach the cluster for DevTest otherwise")
	case err != nil:
		return failed(check, err.Error()+idle, remedy)
	case warning != "":
		return warned(check, warning+idle, "add nodes")
	}
	return good(check, fmt.Sprintf("%s in %s, enough for %s%s", plural(c.CPUs, "vCPU"), plural(c.Nodes, "node"),
		purpose, idle))
}

// free is what new replicas can have: what the nodes offer without what the pods
// on them have asked for.
func (f Facts) free() Check {
	const check = "free-cpus"
	switch {
	case f.Nodes.Err != nil:
		return unsure(check, "list nodes", f.Nodes.Err)
	case f.Pods.Err != nil:
		return unsure(check, "list pods in all namespaces", f.Pods.Err)
	}
	left := map[string]int64{}
	var all int64
	for _, n := range f.Nodes.Value {
		if takesReplicas(n) {
			left[n.Name] = n.Status.Allocatable.Cpu().MilliValue()
			all += left[n.Name]
		}
	}
	for _, p := range f.Pods.Value {
		_, counts := left[p.Spec.NodeName]
		if counts && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			left[p.Spec.NodeName] -= requested(p.Spec)
		}
	}
	var sum, most int64
	for _, milli := range left {
		sum += max(milli, 0)
		most = max(most, milli)
	}
	finding := fmt.Sprintf("%s of %s are free, %s of them on one node", cpus(sum), cpus(all), cpus(most))
	if most < 1000 {
		return warned(check, finding, "add nodes, or delete what is not needed: see kubectl aml get endpoints -A")
	}
	return good(check, finding)
}

func cpus(milli int64) string { return resource.NewMilliQuantity(milli, resource.DecimalSI).String() }

// requested is the CPU that a scheduler keeps for a pod, in thousandths.
func requested(pod corev1.PodSpec) int64 {
	var sum, sidecars, start int64
	for _, c := range pod.Containers {
		sum += c.Resources.Requests.Cpu().MilliValue()
	}
	for _, c := range pod.InitContainers {
		asks := c.Resources.Requests.Cpu().MilliValue()
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars += asks
			start = max(start, sidecars)
			continue
		}
		start = max(start, sidecars+asks)
	}
	return max(sum+sidecars, start) + pod.Overhead.Cpu().MilliValue()
}

// architecture is about nodes that cannot run the images, which are for amd64.
func (f Facts) architecture() Check {
	const check, remedy = "architecture", "add nodes of amd64, or keep replicas off the others with a nodeSelector"
	if f.Nodes.Err != nil {
		return unsure(check, "list nodes", f.Nodes.Err)
	}
	var others []string
	of := 0
	for _, n := range f.Nodes.Value {
		if !takesReplicas(n) {
			continue
		}
		of++
		if arch := cmp.Or(n.Status.NodeInfo.Architecture, n.Labels[corev1.LabelArchStable]); arch != "amd64" {
			others = append(others, n.Name+" ("+cmp.Or(arch, "not told")+")")
		}
	}
	finding := "the images are for amd64, and these nodes are not: " + several(others)
	switch {
	case len(others) == 0:
		return good(check, "amd64")
	case len(others) == of:
		return failed(check, finding, remedy)
	}
	return warned(check, finding, remedy)
}

// gpus finds nodes that have GPUs and do not offer them: AKS installs the driver,
// and no device plugin.
func (f Facts) gpus() Check {
	const check = "gpu"
	if f.Nodes.Err != nil {
		return unsure(check, "list nodes", f.Nodes.Err)
	}
	var bare []string
	nodes, offered := 0, int64(0)
	for _, n := range f.Nodes.Value {
		offers := accelerators(n)
		offered += offers
		if offers > 0 || isForGPUs(n) {
			nodes++
		}
		if offers == 0 && isForGPUs(n) {
			bare = append(bare, n.Name)
		}
	}
	switch {
	case len(bare) > 0:
		return failed(check, "these nodes are for GPUs and offer none: "+several(bare),
			"install the device plugin of the maker, such as NVIDIA's k8s-device-plugin, with the tolerations of these nodes")
	case nodes == 0:
		return good(check, "no nodes with GPUs")
	}
	return good(check, fmt.Sprintf("%s in %s", plural(int(offered), "GPU"), plural(nodes, "node")))
}

// accelerators is how many GPUs, or slices of one, a node offers.
func accelerators(n corev1.Node) int64 {
	var sum int64
	for name, amount := range n.Status.Allocatable {
		maker, what, _ := strings.Cut(string(name), "/")
		slice := maker == "nvidia.com" && (strings.HasPrefix(what, "gpu") || strings.HasPrefix(what, "mig-"))
		if slice || what == "gpu" || maker == "gpu.intel.com" {
			sum += amount.Value()
		}
	}
	return sum
}

// isForGPUs tells whether a node's labels or taints are those that AKS and the
// makers' tools give to nodes with GPUs.
func isForGPUs(n corev1.Node) bool {
	labels := n.Labels
	return labels["accelerator"] != "" || labels["kubernetes.azure.com/accelerator"] != "" ||
		labels["sku"] == "gpu" || labels["nvidia.com/gpu.present"] == "true" ||
		slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == "sku" && t.Value == "gpu" || strings.HasSuffix(t.Key, ".com/gpu")
		})
}

// several names some of many.
func several(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
