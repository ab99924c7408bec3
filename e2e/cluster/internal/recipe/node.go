// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/debian"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

// pauseImage is what kubeadm of this Kubernetes calls the image of pod sandboxes.
const pauseImage = "registry.k8s.io/pause:3.10.2"

// nodePackages is what kind's own node image has, as far as this one needs it.
func nodePackages() []string {
	return []string{"systemd", "systemd-sysv", "runc", "conntrack", "iptables", "nftables", "iproute2", "ethtool",
		"util-linux", "mount", "kmod", "libseccomp2", "pigz", "e2fsprogs", "bash", "curl", "jq",
		"procps", "socat", "hostname"}
}

// Node is the image of a kind node. Its containers' images are not in it: see ControlPlane.
func (b *Book) Node() Image {
	return b.image("aml/node", "", func(ctx context.Context) (v1.Image, error) {
		system, err := b.nodeSystem(ctx)
		if err != nil {
			return nil, err
		}
		kubernetes, err := b.kubernetes(ctx)
		if err != nil {
			return nil, err
		}
		files, err := b.nodeFiles(ctx)
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env:        []string{searchPath, "container=docker"},
			Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
			StopSignal: "SIGRTMIN+3",
		}, system, kubernetes, files)
	})
}

// nodeSystem is the layer with Debian.
func (b *Book) nodeSystem(ctx context.Context) (string, error) {
	root, err := b.debian(ctx)
	if err != nil {
		return "", err
	}
	return b.layer(ctx, "node image: system layer", []string{filepath.Dir(string(root))}, func() (image.Files, error) {
		foreign, err := root.Files([]string{"haproxy", "python3", "python3-venv", "uidmap"}, nil)
		if err != nil {
			return nil, err
		}
		own, err := root.Files(append(nodePackages(), "apt", "ca-certificates"), nil)
		if err != nil {
			return nil, err
		}
		return image.Tree(string(root), func(name string) bool {
			_, isForeign := foreign[name]
			_, isOwn := own[name]
			return isForeign && !isOwn || debian.Needless(name) || startsByItself(name)
		})
	})
}

// startsByItself tells whether a path makes systemd start something that a
// container has no use for; the list is that of kind's node image.
func startsByItself(name string) bool {
	wanted, unit := filepath.Base(filepath.Dir(name)), filepath.Base(name)
	switch inEtc := strings.HasPrefix(name, "etc/systemd/system/"); wanted {
	case "sysinit.target.wants":
		return inEtc || unit == "systemd-tmpfiles-setup.service"
	case "multi-user.target.wants", "local-fs.target.wants", "basic.target.wants":
		return true
	case "sockets.target.wants":
		return inEtc || strings.Contains(unit, "udev") || strings.Contains(unit, "initctl")
	default:
		return inEtc && strings.HasSuffix(wanted, ".wants")
	}
}

// nodeFiles is the layer with the container runtime and kind's own files.
func (b *Book) nodeFiles(ctx context.Context) (string, error) {
	containerd, err := b.programs(ctx, "containerd", "github.com/containerd/containerd/v2",
		"-ldflags", "-s -w", "-tags", "no_aufs no_zfs no_btrfs no_devmapper")
	if err != nil {
		return "", err
	}
	cni, err := b.programs(ctx, "cni", "github.com/containernetworking/plugins", "-ldflags", "-s -w")
	if err != nil {
		return "", err
	}
	kind, err := b.kindFolder(ctx)
	if err != nil {
		return "", err
	}
	return b.layer(ctx, "node image: node layer", []string{containerd, cni, kind}, func() (image.Files, error) {
		version, err := b.version("kubernetes", "k8s.io/kubernetes")
		if err != nil {
			return nil, err
		}
		files, err := kindFiles(filepath.Join(kind, "images/base/files"))
		if err != nil {
			return nil, err
		}
		for _, program := range []string{"containerd", "ctr", "containerd-shim-runc-v2"} {
			files["usr/local/bin/"+program] = image.Program(filepath.Join(containerd, program))
		}
		for _, plugin := range []string{"host-local", "loopback", "ptp", "portmap"} {
			files["opt/cni/bin/"+plugin] = image.Program(filepath.Join(cni, plugin))
		}
		spec, err := baseSpec(ctx, filepath.Join(containerd, "ctr"))
		files["etc/containerd/cri-base.json"] = image.File{Mode: 0o644, Data: spec}
		return files.Add(nodeSettings(version)), err
	})
}

// kindFolder is where kind's module lies, of the version that this module requires.
func (b *Book) kindFolder(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "-C", b.source, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find kind's module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// kindFiles are the files of kind's base image, changed where a machine that
// may not raise limits would refuse them.
func kindFiles(root string) (image.Files, error) {
	files, err := image.Tree(root, func(name string) bool { return image.Under(name, "LICENSES") })
	if err != nil {
		return nil, err
	}
	for name, file := range files {
		perm := fs.FileMode(0o644)
		if file.Mode.IsDir() || image.Under(name, "kind/bin") || image.Under(name, "usr/local/bin") {
			perm = 0o755
		}
		file.Mode, file.UID, file.GID = file.Mode.Type()|perm, 0, 0
		files[name] = file
	}
	return files, errors.Join(
		edit(files, "etc/systemd/system/containerd.service", withoutLimits),
		edit(files, "etc/containerd/config.toml", containerdConfig))
}

// edit puts a changed text in the place of a file.
func edit(files image.Files, name string, change func(string) string) error {
	file, ok := files[name]
	if !ok {
		return fmt.Errorf("kind's base image has no %s any more", name)
	}
	content, err := os.ReadFile(file.From)
	file.From, file.Data = "", []byte(change(string(content)))
	files[name] = file
	return err
}

// withoutLimits is a systemd unit that asks neither for limits nor for an
// out-of-memory score that need CAP_SYS_RESOURCE.
func withoutLimits(unit string) string {
	return regexp.MustCompile(`(?m)^(Limit\w+|OOMScoreAdjust)=.*\n`).ReplaceAllString(unit, "")
}

// containerdConfig is kind's configuration with the pause image that kubeadm
// names, and without out-of-memory scores below the node's own.
func containerdConfig(config string) string {
	config = strings.ReplaceAll(config, "restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
	return regexp.MustCompile(`"registry\.k8s\.io/pause:[^"]*"`).ReplaceAllString(config, `"`+pauseImage+`"`)
}

// storageClass is the one that kind wants to apply. Volumes are made by hand:
// nothing here provides them.
const storageClass = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`

// nodeSettings is what kind's Dockerfile does beside copying files.
func nodeSettings(version string) image.Files {
	units := "/etc/systemd/system/"
	files := image.Files{
		"kind/version":                              image.Text(version + "\n"),
		"kind/manifests":                            image.Dir(0o755),
		"kind/manifests/default-cni.yaml":           image.Text(""),
		"kind/manifests/default-storage.yaml":       image.Text(storageClass),
		"etc/kubernetes/manifests":                  image.Dir(0o755),
		"etc/cni/net.d":                             image.Dir(0o755),
		"etc/systemd/journald.conf.d/kmsg.conf":     image.Text("[Journal]\nReadKMsg=no\n"),
		"etc/systemd/system/systemd-binfmt.service": image.Link("/dev/null"),
	}
	for _, unit := range []string{"kubelet.service", "containerd.service", "undo-mount-hacks.service"} {
		files["etc/systemd/system/multi-user.target.wants/"+unit] = image.Link(units + unit)
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "var/log", "var/cache", "var/lib"} {
		files[dir] = image.Dir(0o755)
	}
	for _, dir := range []string{"tmp", "var/tmp"} {
		files[dir] = image.File{Mode: fs.ModeDir | fs.ModeSticky | 0o777}
	}
	return files
}

// baseSpec is the OCI specification that every container of a node starts from:
// containerd's own with the hook that hides the machine's serial numbers, and
// without limits.
func baseSpec(ctx context.Context, ctr string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, ctr, "oci", "spec").Output()
	if err != nil {
		return nil, fmt.Errorf("ctr oci spec: %w", err)
	}
	return withKindHook(out)
}

func withKindHook(spec []byte) ([]byte, error) {
	var document map[string]any
	decoder := json.NewDecoder(bytes.NewReader(spec))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	document["hooks"] = map[string]any{
		"createContainer": []any{map[string]any{"path": "/kind/bin/mount-product-files.sh"}},
	}
	if process, ok := document["process"].(map[string]any); ok {
		delete(process, "rlimits")
	}
	return json.MarshalIndent(document, "", "  ")
}
