// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutLimits(t *testing.T) {
	got := withoutLimits("[Service]\nExecStart=/usr/local/bin/containerd\nLimitNPROC=infinity\nTasksMax=infinity\nOOMScoreAdjust=-999\n\n[Install]\n")
	if want := "[Service]\nExecStart=/usr/local/bin/containerd\nTasksMax=infinity\n\n[Install]\n"; got != want {
		t.Errorf("unit:\n%s", got)
	}
}

func TestContainerdConfig(t *testing.T) {
	got := containerdConfig("  sandbox_image = \"registry.k8s.io/pause:3.10\"\n  restrict_oom_score_adj = false\n")
	if want := "  sandbox_image = \"registry.k8s.io/pause:3.10.2\"\n  restrict_oom_score_adj = true\n"; got != want {
		t.Errorf("config:\n%s", got)
	}
}

func TestWithKindHook(t *testing.T) {
	got, err := withKindHook([]byte(`{"process":{"args":["sh"],"rlimits":[{"type":"RLIMIT_NOFILE"}]},"mounts":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if spec := string(got); strings.Contains(spec, "rlimits") || !strings.Contains(spec, `"/kind/bin/mount-product-files.sh"`) ||
		!strings.Contains(spec, `"args"`) {
		t.Errorf("spec:\n%s", spec)
	}
}

func TestVersionFlags(t *testing.T) {
	got := versionFlags("v1.37.2")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.37.2", "-X k8s.io/component-base/version.gitMinor=37",
		"-X k8s.io/client-go/pkg/version.gitTreeState=clean",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestStartsByItself(t *testing.T) {
	for name, want := range map[string]bool{
		"etc/systemd/system/timers.target.wants/apt-daily.timer":                     true,
		"etc/systemd/system/multi-user.target.wants/nftables.service":                true,
		"usr/lib/systemd/system/multi-user.target.wants/getty.target":                true,
		"usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service": true,
		"usr/lib/systemd/system/sysinit.target.wants/systemd-journald.service":       false,
		"usr/lib/systemd/system/sockets.target.wants/systemd-udevd-kernel.socket":    true,
		"usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket":        false,
		"usr/lib/systemd/system/multi-user.target.wants":                             false,
		"etc/systemd/system/multi-user.target.wants":                                 false,
	} {
		if got := startsByItself(name); got != want {
			t.Errorf("startsByItself(%s) = %v", name, got)
		}
	}
}

// TestPins holds the pins to each other: what is said twice has to agree.
func TestPins(t *testing.T) {
	source, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	book := &Book{source: source}
	images, err := book.ControlPlane()
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		pinned := map[string]string{"coredns/coredns": "coredns github.com/coredns/coredns", "etcd": "etcd go.etcd.io/etcd/server/v3"}[image.Repository]
		if pinned == "" {
			continue
		}
		part, module, _ := strings.Cut(pinned, " ")
		version, err := book.version(part, module)
		if err != nil {
			t.Fatal(err)
		}
		tag, _, _ := strings.Cut(strings.TrimPrefix(image.Tag, "v"), "-")
		if tag != strings.TrimPrefix(version, "v") {
			t.Errorf("%s:%s is built from %s", image.Repository, image.Tag, version)
		}
	}
	if _, err := book.version("coredns", "github.com/none"); err == nil {
		t.Error("a module that is not required has a version")
	}
}
