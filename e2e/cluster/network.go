// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// node is what the pod network needs to know of a node.
type node struct {
	name    string
	address string // on the nodes' network
	pods    string // range of its pods' addresses
}

// findNodes waits until every node has a range for its pods. The engine knows
// the nodes' addresses: after a restart, what a node says of itself may be old.
func (c *Cluster) findNodes(ctx context.Context) error {
	return poll(ctx, time.Minute, func(ctx context.Context) error {
		list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		c.nodes = nil
		for _, item := range list.Items {
			address, err := c.docker.Do(ctx, "inspect", "--format",
				"{{.NetworkSettings.Networks."+nodeNetwork+".IPAddress}}", item.Name)
			if err != nil {
				return err
			}
			if item.Spec.PodCIDR == "" || address == "" {
				return fmt.Errorf("node %s has no address or no range for pods yet", item.Name)
			}
			c.nodes = append(c.nodes, node{name: item.Name, address: address, pods: item.Spec.PodCIDR})
		}
		if len(c.nodes) != 2 {
			return fmt.Errorf("cluster %s has %d nodes, 2 expected", c.Name, len(c.nodes))
		}
		slices.SortFunc(c.nodes, func(a, b node) int { return strings.Compare(a.name, b.name) })
		return nil
	})
}

// connectPods sets each node's pod network and routes, and shuts in what has
// no place to go. It may be repeated.
func (c *Cluster) connectPods(ctx context.Context, published bool) error {
	var errs []error
	for _, n := range c.nodes {
		script := containment(c.subnet, !published)
		if !published {
			script = podNetwork(n, c.nodes) + script
		}
		_, err := c.docker.Pipe(ctx, strings.NewReader(script), "exec", "--interactive", n.name, "sh", "-eu")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// podNetwork is a shell script that gives a node's pods addresses, and routes
// to the pods of its peers.
func podNetwork(n node, all []node) string {
	var script strings.Builder
	fmt.Fprintf(&script, "mkdir -p /etc/cni/net.d\ncat > /etc/cni/net.d/.next <<'END'\n%sEND\n"+
		"mv /etc/cni/net.d/.next /etc/cni/net.d/10-aml.conflist\n", podConfig(n.pods))
	for _, peer := range all {
		if peer.name != n.name {
			fmt.Fprintf(&script, "ip route replace %s via %s\n", peer.pods, peer.address)
		}
	}
	return script.String()
}

// podConfig is how a node gives its pods addresses of a range. Those that are in
// use are kept in /run: none is after a restart.
func podConfig(pods string) string {
	return fmt.Sprintf(`{
  "cniVersion": "0.3.1",
  "name": "aml",
  "plugins": [
    {
      "type": "ptp", "ipMasq": false, "mtu": 1500,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": %q}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, pods)
}

// containment is a shell script after which a packet for a pod or a service
// that is gone is refused on the node: it would take the default route
// otherwise, out of the cluster and out of the machine. Services have no routes
// but are rewritten to pods, so what still bears a service's address by the time
// it is filtered has no service. With shutIn, pods reach the nodes' network and
// no further. There they bear their node's address: whoever else is on it has no
// route back to a pod, and would send its answers out of the machine.
func containment(subnet string, shutIn bool) string {
	rules := []string{
		"-d " + podRange + " -j RETURN",
		"-d " + subnet + " -j RETURN",
		"-d " + serviceRange + " -j REJECT --reject-with icmp-host-unreachable",
	}
	if shutIn {
		rules = append(rules, "-s "+podRange+" -j REJECT --reject-with icmp-net-prohibited")
	}
	script := "ip route replace unreachable " + podRange + "\n" +
		"iptables -w -N AML-CONTAIN 2>/dev/null || true\n"
	for _, rule := range rules {
		script += fmt.Sprintf("iptables -w -C AML-CONTAIN %[1]s 2>/dev/null || iptables -w -A AML-CONTAIN %[1]s\n", rule)
	}
	asNode := "POSTROUTING -s " + podRange + " -d " + subnet + " -j MASQUERADE"
	script += fmt.Sprintf("iptables -w -t nat -C %[1]s 2>/dev/null || iptables -w -t nat -A %[1]s\n", asNode)
	for _, chain := range []string{"FORWARD", "OUTPUT"} {
		jump := chain + " -j AML-CONTAIN"
		script += fmt.Sprintf("iptables -w -C %[1]s 2>/dev/null || iptables -w -I %[1]s\n", jump)
	}
	return script
}

// waitReady waits until every node takes pods, and has said so since then.
func (c *Cluster) waitReady(ctx context.Context, since time.Time) error {
	return poll(ctx, 2*time.Minute, func(ctx context.Context) error {
		list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, item := range list.Items {
			lease, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, item.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if renewed := lease.Spec.RenewTime; !isReady(item) || renewed == nil || renewed.Time.Before(since) {
				return fmt.Errorf("node %s is not ready: kubectl describe node %s", item.Name, item.Name)
			}
		}
		return nil
	})
}

func isReady(item corev1.Node) bool {
	return slices.ContainsFunc(item.Status.Conditions, func(condition corev1.NodeCondition) bool {
		return condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
	})
}

// accelerators are what the worker says it has, as if device plugins ran on it.
func accelerators() corev1.ResourceList {
	return corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("2"), "xilinx.com/fpga": resource.MustParse("1")}
}

// addAccelerators writes the accelerators into the worker's status. The kubelet
// keeps resources that it does not know, and counts them as allocatable.
func (c *Cluster) addAccelerators(ctx context.Context) error {
	worker := c.Name + "-worker"
	item, err := c.client.CoreV1().Nodes().Get(ctx, worker, metav1.GetOptions{})
	if err != nil {
		return err
	}
	patch, missing := `{"status":{"capacity":{%[1]s},"allocatable":{%[1]s}}}`, []string{}
	for name, quantity := range accelerators() {
		is, ok := item.Status.Allocatable[name]
		if !ok || is.Cmp(quantity) != 0 {
			missing = append(missing, fmt.Sprintf("%q:%q", name, quantity.String()))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, worker, types.StrategicMergePatchType,
		fmt.Appendf(nil, patch, strings.Join(missing, ",")), metav1.PatchOptions{}, "status")
	return err
}
