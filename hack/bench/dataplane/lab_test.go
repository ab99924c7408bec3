// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestTicksOf(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stat  string
		want  int
		wrong bool
	}{
		"user_and_system":       {stat: "7 (envoy) S 1 7 7 0 -1 4194304 1 2 3 4 300 40 5 6 20 0 1 0 9", want: 340},
		"a_name_with_a_bracket": {stat: "7 (a) R 1 (b) S 1 7 7 0 -1 4194304 1 2 3 4 300 40 5 6 20 0 1 0 9", want: 340},
		"something_else":        {stat: "7 (envoy) S 1", wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := ticksOf(test.stat); got != test.want || (err != nil) != test.wrong {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

// TestOurs is about what a change of the chart may break: the benchmark puts pods of here in the place of names.
func TestOurs(t *testing.T) {
	t.Parallel()
	manifest, err := render("{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, traffic: 20}}}")
	if err != nil {
		t.Fatal(err)
	}
	var config corev1.ConfigMap
	if err := find(manifest, "ConfigMap", "bench-router", &config); err != nil {
		t.Fatal(err)
	}
	clusters, err := withPods(config.Data["cds.yaml"], map[string][]int{"blue": {4001, 4002}, "green": {4003}})
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"port_value: 4001", "port_value: 4002", "port_value: 4003"} {
		if strings.Count(clusters, port) != 1 {
			t.Errorf("not one %q in\n%s", port, clusters)
		}
	}
	if strings.Contains(clusters, "svc.cluster.local") {
		t.Errorf("names of a cluster are left in\n%s", clusters)
	}
	env, err := variables(manifest, "green", map[string]string{"LISTEN": "here", "METRICS": "here", "APP": "here"})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(env, " "); strings.Count(text, "=here") != 3 || !strings.Contains(text, "VERSION=green") {
		t.Errorf("got %s", text)
	}
	if err := find(manifest, "ConfigMap", "other", &config); err == nil {
		t.Error("a ConfigMap that is not there was found")
	}
}
