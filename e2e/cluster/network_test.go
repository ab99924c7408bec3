// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func TestHostsFile(t *testing.T) {
	const want = `server = "http://aml-registry:5000"

[host."http://aml-registry:5000"]
  capabilities = ["pull", "resolve"]
`
	if got := hostsFile("aml-registry"); got != want {
		t.Errorf("hosts.toml:\n%s", got)
	}
}

func TestPodNetwork(t *testing.T) {
	nodes := []node{{"aml-control-plane", "172.18.0.3", "10.244.0.0/24"}, {"aml-worker", "172.18.0.4", "10.244.1.0/24"}}
	script := podNetwork(nodes[0], nodes)
	_, after, _ := strings.Cut(script, "<<'END'\n")
	config, rest, ok := strings.Cut(after, "END\n")
	var network struct {
		Plugins []struct {
			Type string
			Ipam struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal([]byte(config), &network); err != nil || !ok {
		t.Fatalf("the network's configuration is no JSON: %v\n%s", err, script)
	}
	if got := network.Plugins[0].Ipam.Ranges[0][0].Subnet; got != "10.244.0.0/24" {
		t.Errorf("pods get addresses of %s", got)
	}
	if want := "ip route replace 10.244.1.0/24 via 172.18.0.4\n"; !strings.HasSuffix(rest, want) || strings.Count(rest, "ip route") != 1 {
		t.Errorf("routes:\n%s\nwant only %s", rest, want)
	}
}

func TestContainment(t *testing.T) {
	const onlyInside = "-s 10.244.0.0/16 -j REJECT"
	for shutIn, script := range map[bool]string{
		true: containment("172.18.0.0/16", true), false: containment("172.18.0.0/16", false),
	} {
		if !strings.HasPrefix(script, "ip route replace unreachable 10.244.0.0/16\n") {
			t.Errorf("pods that are gone have a route:\n%s", script)
		}
		services := strings.Index(script, "-A AML-CONTAIN -d 10.96.0.0/16 -j REJECT")
		nodes := strings.Index(script, "-A AML-CONTAIN -d 172.18.0.0/16 -j RETURN")
		if nodes < 0 || services < nodes {
			t.Errorf("rules are missing or in the wrong order:\n%s", script)
		}
		if !strings.Contains(script, "-A POSTROUTING -s 10.244.0.0/16 -d 172.18.0.0/16 -j MASQUERADE") {
			t.Errorf("neighbors of the nodes see addresses of pods:\n%s", script)
		}
		if strings.Contains(script, onlyInside) != shutIn {
			t.Errorf("shut in %v:\n%s", shutIn, script)
		}
	}
}

func TestLastHost(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.244.0.0/16": "10.244.255.254", "10.244.3.0/24": "10.244.3.254", "10.96.0.0/12": "10.111.255.254", "10.0.0.128/25": "10.0.0.254",
	} {
		if got := lastHost(netip.MustParsePrefix(prefix)).String(); got != want {
			t.Errorf("lastHost(%s) = %s, want %s", prefix, got, want)
		}
	}
}

func TestKnock(t *testing.T) {
	c := &Cluster{nodes: []node{{"a", "172.18.0.3", "10.244.0.0/24"}, {"b", "172.18.0.4", "10.244.1.0/24"}}}
	script, err := c.knock(c.nodes[0], "172.18.0.2")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\ntry 10.244.255.254 refused\n", "\ntry 10.96.255.254 refused\n", "\ntry 10.244.0.254 refused\n", "\ntry 10.244.1.254 silent\n",
		"nsenter --net=$pod bash -c \"exec 3<>/dev/tcp/172.18.0.2/9\"",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
}

func TestSumOfCounters(t *testing.T) {
	const quiet = `Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)
    pkts      bytes target     prot opt in     out     source               destination
       0        0            0    --  br-012345678901 !br-012345678901  0.0.0.0/0            10.244.0.0/16        /* kubectl-aml */
       0        0            0    --  br-012345678901 !br-012345678901  0.0.0.0/0            10.96.0.0/16         /* kubectl-aml */
       7      420            0    --  br-999999999999 !br-999999999999  0.0.0.0/0            10.96.0.0/16         /* kubectl-aml */
`
	if err := escaped(quiet, "br-012345678901"); err != nil {
		t.Errorf("nothing was counted: %v", err)
	}
	if err := escaped(quiet, "br-999999999999"); err == nil {
		t.Error("seven packets, or a counter that is missing, are not told of")
	}
	if err := escaped("", "br-012345678901"); err == nil {
		t.Error("counters that are not there are not told of")
	}
}
