// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

func TestRunRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want error
	}{
		"nothing":                {nil, errUsage},
		"another_command":        {[]string{"start"}, errUsage},
		"two_commands":           {[]string{"down", "up"}, errUsage},
		"help":                   {[]string{"-h"}, flag.ErrHelp},
		"help_after_the_command": {[]string{"up", "-h"}, flag.ErrHelp},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), test.args, io.Discard, io.Discard); !errors.Is(err, test.want) {
				t.Errorf("run(%q) = %v, want %v", test.args, err, test.want)
			}
		})
	}
}

func TestPrintCluster(t *testing.T) {
	var out strings.Builder
	printCluster(&out, &cluster.Cluster{
		Kubeconfig: "/cache/kubeconfig", Registry: "localhost:5001", HTTP: "127.0.0.1:18080", Kubectl: "/cache/bin/kubectl",
		Images: cluster.Images{Router: "localhost:5001/aml/router@sha256:0"},
	})
	const want = `export KUBECONFIG='/cache/kubeconfig'
export AML_REGISTRY='localhost:5001'
export AML_HTTP='127.0.0.1:18080'
export AML_ROUTER_IMAGE='localhost:5001/aml/router@sha256:0'
export AML_LIMITER_IMAGE=''
export AML_ENVIRONMENT_IMAGE=''
export AML_BUILDKIT_IMAGE=''
export AML_PYTHON_IMAGE=''
export PATH='/cache/bin':"$PATH"
`
	if out.String() != want {
		t.Errorf("settings:\n%s", out.String())
	}
}
