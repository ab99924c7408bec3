// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestComplete(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("AML_CACHE", cache)
	opts, err := Options{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if opts.Name != "aml" || opts.RegistryPort != 5001 || opts.HTTPPort != 18080 || opts.CacheDir != cache {
		t.Errorf("options: %+v", opts)
	}
	if _, err := os.Stat(filepath.Join(opts.Source, "e2e/cluster/parts")); err != nil {
		t.Errorf("source %s: %v", opts.Source, err)
	}
	other, err := Options{Name: "other"}.complete()
	if err != nil || other.HTTPPort != 0 {
		t.Errorf("another cluster takes port %d, %v", other.HTTPPort, err)
	}
	t.Chdir(t.TempDir())
	if _, err := (Options{}).complete(); err == nil || !strings.Contains(err.Error(), "run from there") {
		t.Errorf("outside of the repository: %v", err)
	}
}

func TestState(t *testing.T) {
	s := &session{opts: Options{Name: "aml", CacheDir: t.TempDir()}}
	if _, known := s.load(); known {
		t.Error("a state is known before there is one")
	}
	want := state{NodeImage: "localhost:5001/aml/node@sha256:0", Complete: true}
	if err := s.save(want); err != nil {
		t.Fatal(err)
	}
	if got, known := s.load(); !known || got != want {
		t.Errorf("state = %+v, %v", got, known)
	}
	if err := os.WriteFile(s.statePath(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, known := s.load(); known {
		t.Error("half a state is taken")
	}
}

func TestWriteMounts(t *testing.T) {
	for published, want := range map[bool][]string{
		false: {"localhost:5001", "registry.k8s.io"}, true: {"localhost:5001"},
	} {
		s := &session{opts: Options{Name: "aml", CacheDir: t.TempDir(), RegistryPort: 5001}, published: published}
		mounts, err := s.writeMounts()
		if err != nil {
			t.Fatal(err)
		}
		for _, mount := range mounts {
			if _, err := os.Stat(mount.HostPath); err != nil || !mount.Readonly {
				t.Errorf("mount %+v: %v", mount, err)
			}
		}
		if content, err := os.ReadFile(filepath.Join(mounts[1].HostPath, "etcd+strategic.yaml")); err != nil ||
			!strings.Contains(string(content), "name: etcd") || mounts[1].ContainerPath != patchFolder {
			t.Errorf("patch of etcd: %s, %v", content, err)
		}
		found, err := os.ReadDir(mounts[0].HostPath)
		if err != nil || len(found) != len(want) {
			t.Fatalf("published %v: %v, %v", published, found, err)
		}
		for i, entry := range found {
			if entry.Name() != want[i] {
				t.Errorf("published %v: %s, want %s", published, entry.Name(), want[i])
			}
		}
	}
}

func TestKindConfig(t *testing.T) {
	s := &session{opts: Options{HTTPPort: 18080}}
	mounts := []v1alpha4.Mount{{HostPath: "/hosts"}}
	own := s.kindConfig("image", mounts)
	s.published = true
	published := s.kindConfig("image", mounts)
	if !own.Networking.DisableDefaultCNI || published.Networking.DisableDefaultCNI {
		t.Error("kind's pod network belongs to the published image, and only to it")
	}
	if len(own.FeatureGates) == 0 || len(published.FeatureGates) != 0 {
		t.Error("the published image runs with kind's own settings")
	}
	for _, config := range []*v1alpha4.Cluster{own, published} {
		control, worker := config.Nodes[0], config.Nodes[1]
		if got := control.ExtraPortMappings[0]; got.ListenAddress != "127.0.0.1" || got.HostPort != 18080 {
			t.Errorf("port mapping %+v", got)
		}
		if !strings.Contains(control.KubeadmConfigPatches[0], "taints: []") ||
			!strings.Contains(worker.KubeadmConfigPatches[0], "key: sku, value: gpu, effect: NoSchedule") {
			t.Errorf("taints: %q, %q", control.KubeadmConfigPatches, worker.KubeadmConfigPatches)
		}
		if control.ExtraMounts[0].HostPath != "/hosts" || worker.ExtraMounts[0].HostPath != "/hosts" {
			t.Error("a node does not know the registry")
		}
		if !strings.Contains(control.KubeadmConfigPatches[1], patchFolder) {
			t.Errorf("the control plane does not take its patches: %q", control.KubeadmConfigPatches)
		}
	}
}
