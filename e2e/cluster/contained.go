// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrEscaped says that packets for pods or services left the nodes' network.
var ErrEscaped = errors.New("packets left the nodes' network")

// countEscapes makes the engine's host count packets for pods and services
// that leave the nodes' network; the rules only count.
func (c *Cluster) countEscapes(ctx context.Context) error {
	var script strings.Builder
	for _, dst := range []string{podRange, serviceRange} {
		rule := fmt.Sprintf("FORWARD -i %[1]s ! -o %[1]s -d %s -m comment --comment kubectl-aml", c.bridge, dst)
		fmt.Fprintf(&script, "iptables -w -t mangle -C %[1]s 2>/dev/null || iptables -w -t mangle -A %[1]s\n", rule)
	}
	_, err := c.onHost(ctx, script.String())
	return err
}

// onHost runs a shell script in the network of the engine's host, which may be
// another machine than this one.
func (c *Cluster) onHost(ctx context.Context, script string) (string, error) {
	return c.docker.Do(ctx, "run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", "--entrypoint", "sh",
		c.image, "-euc", script)
}

// AssertContained sends packets to addresses of pods and services that do not
// exist, from every node and from a pod on it where there is one. It returns an
// error where anything answers, where a node does not refuse its own packets at
// once, or where a pod does not hear a neighbor of the nodes; and ErrEscaped where
// any packet for a pod or a service, of this check or of anything that ran since
// the cluster was started, left the nodes' network.
func (c *Cluster) AssertContained(ctx context.Context) error {
	neighbor, err := c.docker.Do(ctx, "inspect", "--format",
		"{{.NetworkSettings.Networks."+nodeNetwork+".IPAddress}}", c.registry)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range c.nodes {
		script, err := c.knock(n, neighbor)
		if err != nil {
			return err
		}
		out, err := c.docker.Pipe(ctx, strings.NewReader(script), "exec", "--interactive", n.name, "bash", "-u")
		if err == nil && out != "" {
			err = fmt.Errorf("from node %s: %s", n.name, strings.ReplaceAll(out, "\n", "; "))
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.escapes(ctx))...)
}

// knock is a bash script for a node that tells of each packet that was not
// refused, and of a neighbor of the nodes whose refusal does not reach a pod. What
// another node refuses, or this node refuses a pod, may show as silence: the kernel
// sends such refusals once a second.
func (c *Cluster) knock(n node, neighbor string) (string, error) {
	var script strings.Builder
	script.WriteString(`
try() { # address, whether silence will do, command in front
  said=$(timeout 2 "${@:3}" bash -c "exec 3<>/dev/tcp/$1/9" 2>&1) && said="connected"
  case $2,$said in
  *"No route to host"* | *"etwork is unreachable"* | *"rohibited"* | silent,) ;;
  *) echo "$1 ${*:3}: ${said:-no answer}" ;;
  esac
}
pod= # a pod's network, held open: pods come and go meanwhile
for name in $(find /run/netns -name 'cni-*'); do
  { exec 9<"$name"; } 2>/dev/null && nsenter --net=/proc/$$/fd/9 true 2>/dev/null && pod=/proc/$$/fd/9 && break
done
`)
	fmt.Fprintf(&script, `
if [ -n "$pod" ]; then
  said=$(timeout 2 nsenter --net=$pod bash -c "exec 3<>/dev/tcp/%[1]s/9" 2>&1)
  case $said in *refused*) ;; *) echo "%[1]s from a pod: ${said:-no answer}" ;; esac
fi
`, neighbor)
	for _, r := range append([]string{podRange, serviceRange}, c.podRanges()...) {
		prefix, err := netip.ParsePrefix(r)
		if err != nil {
			return "", err
		}
		patience := "refused"
		if slices.Contains(c.podRanges(), r) && r != n.pods {
			patience = "silent"
		}
		fmt.Fprintf(&script, "try %[1]s %[2]s\n[ -z \"$pod\" ] || try %[1]s silent nsenter --net=$pod\n",
			lastHost(prefix), patience)
	}
	return script.String(), nil
}

// podRanges are the ranges of the nodes' pods.
func (c *Cluster) podRanges() []string {
	var ranges []string
	for _, n := range c.nodes {
		ranges = append(ranges, n.pods)
	}
	return ranges
}

// lastHost is the last address of an IPv4 range before its broadcast address.
func lastHost(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().As4()
	for i := range bytes {
		if free := prefix.Bits() - 8*i; free < 8 {
			bytes[i] |= 0xff >> max(free, 0)
		}
	}
	return netip.AddrFrom4(bytes).Prev()
}

// escapes is ErrEscaped if the counters have counted anything.
func (c *Cluster) escapes(ctx context.Context) error {
	rules, err := c.onHost(ctx, "iptables -w -t mangle -L FORWARD -v -n -x")
	if err != nil {
		return err
	}
	return escaped(rules, c.bridge)
}

// escaped reads the counters of a bridge from iptables' list of rules.
func escaped(rules, bridge string) error {
	counters := 0
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if !strings.Contains(line, "kubectl-aml") || !slices.Contains(fields, bridge) {
			continue
		}
		counters++
		if fields[0] != "0" {
			return fmt.Errorf("%w: %s packets (%s)", ErrEscaped, fields[0], strings.Join(fields, " "))
		}
	}
	if counters != 2 {
		return fmt.Errorf("%d of 2 counters are in place on the engine's host: stop the nodes and run up again", counters)
	}
	return nil
}
