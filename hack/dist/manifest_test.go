// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"os"
	"path"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// plugin is what the tests read of a krew manifest.
type plugin struct {
	Spec struct {
		Version   string
		Platforms []struct {
			URI      string
			SHA256   string
			Selector struct{ MatchLabels platform }
		}
	}
}

func readManifest(t *testing.T, file string) (plugin, string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var p plugin
	if err := yaml.Unmarshal(content, &p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p, string(content)
}

// The repository is a krew index: krew finds a plugin by the name of its file. krew.yaml is the same manifest
// under the name where people look for one.
func TestIndexHoldsOneManifestTwice(t *testing.T) {
	t.Parallel()
	_, aml := readManifest(t, "../../plugins/aml.yaml")
	_, krew := readManifest(t, "../../plugins/krew.yaml")
	if aml != krew {
		t.Error("plugins/aml.yaml and plugins/krew.yaml differ: run make dist")
	}
}

func TestIndexComesFromTheTemplate(t *testing.T) {
	t.Parallel()
	p, content := readManifest(t, "../../plugins/aml.yaml")
	var archives []archive
	for _, listed := range p.Spec.Platforms {
		archives = append(archives, archive{
			platform: listed.Selector.MatchLabels,
			File:     path.Base(listed.URI),
			SHA256:   listed.SHA256,
		})
	}
	want, err := renderManifest(p.Spec.Version, downloads+p.Spec.Version, archives)
	if err != nil {
		t.Fatal(err)
	}
	if content != string(want) {
		t.Errorf("plugins/aml.yaml is not what the template makes of its version and sums: run make dist")
	}
	if len(archives) != len(platforms()) {
		t.Errorf("plugins/aml.yaml names %d platforms, want %v", len(archives), platforms())
	}
	for i, p := range platforms() {
		if !strings.HasPrefix(archives[i].File, "kubectl-aml_v") || archives[i].platform != p {
			t.Errorf("platform %d of plugins/aml.yaml is %+v, want %s", i, archives[i], p)
		}
	}
}
