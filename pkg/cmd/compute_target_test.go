// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

func TestAComputeTargetIsTheContextOfTheCompute(t *testing.T) {
	t.Parallel()
	of := func(context, name string, current bool) compute.Context {
		c := compute.Context{Name: context, Current: current}
		if name != "" {
			c.Marker = &compute.Marker{Name: name}
		}
		return c
	}
	for name, c := range map[string]struct {
		contexts []compute.Context
		want     string
		refused  string
	}{
		"none":                              {[]compute.Context{of("here", "", true)}, "", ""},
		"a plain context":                   {[]compute.Context{of("here", "", true), of("lab", "", false)}, "lab", ""},
		"its context":                       {[]compute.Context{of("lab", "lab", false)}, "lab", ""},
		"its context, renamed":              {[]compute.Context{of("lab", "fab", false), of("old", "lab", false)}, "old", ""},
		"its current context of several":    {[]compute.Context{of("lab", "lab", false), of("old", "lab", true)}, "old", ""},
		"its namesake of several":           {[]compute.Context{of("old", "lab", false), of("lab", "lab", false)}, "lab", ""},
		"several, of which none is special": {[]compute.Context{of("b", "lab", false), of("a", "lab", false)}, "", `compute "lab" has the contexts a, b: choose one with --context`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := contextOf(c.contexts, "lab")
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != c.want || said != c.refused {
				t.Errorf("got %q, %q", got, said)
			}
		})
	}
}

func TestTheContextInUseSaysWhichComputeIsMeant(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	const text = `apiVersion: v1
kind: Config
current-context: plain
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts:
- {name: plain, context: {cluster: c, user: u}}
- name: lab
  context:
    cluster: c
    user: u
    extensions:
    - {name: aml.dev/compute, extension: {apiVersion: aml.dev/v1, kind: Compute, name: lab, attachmentUID: one}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set  func(*genericclioptions.ConfigFlags)
		want string
	}{
		"the current one":          {func(*genericclioptions.ConfigFlags) {}, ""},
		"the one that a flag says": {func(f *genericclioptions.ConfigFlags) { *f.Context = "lab" }, "lab"},
		"another cluster": {func(f *genericclioptions.ConfigFlags) {
			*f.Context, *f.APIServer = "lab", "https://127.0.0.1:2"
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := genericclioptions.NewConfigFlags(true)
			*flags.KubeConfig = file
			c.set(flags)
			found, err := computeOf(flags)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if found != nil {
				got = found.Marker.Name
			}
			if got != c.want {
				t.Errorf("it is compute %q, want %q", got, c.want)
			}
		})
	}
}
