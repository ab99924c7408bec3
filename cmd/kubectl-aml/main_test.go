// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kubectl-aml":          func() { os.Exit(run(os.Args)) },
		"kubectl_complete-aml": func() { os.Exit(run(append([]string{"kubectl_complete-aml"}, os.Args[1:]...))) },
	})
}

func TestTheProgramWithoutACluster(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}
