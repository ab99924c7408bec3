// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

// kubernetesPrograms are the names that the one Kubernetes program goes by.
func kubernetesPrograms() []string {
	return []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy",
		"kubelet", "kubeadm", "kubectl"}
}

// kubernetes is the layer with the Kubernetes program; the node and the control
// plane's images share it.
func (b *Book) kubernetes(ctx context.Context) (string, error) {
	dir, err := b.kubernetesProgram(ctx)
	if err != nil {
		return "", err
	}
	return b.layer(ctx, "node image: kubernetes layer", []string{dir}, func() (image.Files, error) {
		files := image.Files{"usr/bin/kubernetes": image.Program(filepath.Join(dir, "kubernetes"))}
		for _, name := range kubernetesPrograms() {
			files["usr/bin/"+name] = image.Link("kubernetes")
		}
		// The kube-proxy that kubeadm deploys is started by this path.
		files["usr/local/bin/kube-proxy"] = image.Link("/usr/bin/kubernetes")
		return files, nil
	})
}

func (b *Book) kubernetesProgram(ctx context.Context) (string, error) {
	version, err := b.version("kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	return b.programs(ctx, "kubernetes", "k8s.io/kubernetes", "-ldflags", versionFlags(version))
}

// Kubectl is the path of the Kubernetes program, which is kubectl to whoever
// starts it by that name.
func (b *Book) Kubectl(ctx context.Context) (string, error) {
	dir, err := b.kubernetesProgram(ctx)
	return filepath.Join(dir, "kubernetes"), err
}

// versionFlags tell a Kubernetes build which release it is, as upstream's does.
func versionFlags(version string) string {
	minor := strings.Split(version, ".")[1]
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=%[3]s"+
			" -X %[1]s.gitTreeState=clean", pkg, version, minor)
	}
	return flags
}

// ControlPlane are the images that kubeadm's pods name, as a mirror of
// registry.k8s.io has them.
func (b *Book) ControlPlane() ([]Image, error) {
	version, err := b.version("kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	var images []Image
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		images = append(images, b.image(name, version, func(ctx context.Context) (v1.Image, error) {
			layer, err := b.kubernetes(ctx)
			if err != nil {
				return nil, err
			}
			return image.New(v1.Config{Env: []string{searchPath}, Entrypoint: []string{"/usr/bin/" + name}}, layer)
		}))
	}
	// Names and tags are those that "kubeadm config images list" prints.
	return append(images,
		b.image("kube-proxy", version, b.kubeProxy),
		b.single("coredns/coredns", "v1.14.6", "coredns", "github.com/coredns/coredns", "coredns", "coredns"),
		b.single("etcd", "3.7.0-0", "etcd", "go.etcd.io/etcd/server/v3", "server", "usr/local/bin/etcd"),
		b.single("pause", "3.10.2", "pause", "", "pause", "pause"),
	), nil
}

// single is the image with one program of one part in it.
func (b *Book) single(repository, tag, part, module, program, path string) Image {
	return b.image(repository, tag, func(ctx context.Context) (v1.Image, error) {
		dir, err := b.programs(ctx, part, module, "-ldflags", "-s -w")
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, "node image: "+part+" layer", []string{dir}, func() (image.Files, error) {
			return image.Files{path: image.Program(filepath.Join(dir, program))}.Add(account("nonroot", 65532)), nil
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{Env: []string{"PATH=/usr/local/bin"}, Entrypoint: []string{"/" + path}}, layer)
	})
}

// kubeProxy needs iptables beside the program.
func (b *Book) kubeProxy(ctx context.Context) (v1.Image, error) {
	root, err := b.debian(ctx)
	if err != nil {
		return nil, err
	}
	from := []string{filepath.Dir(string(root))}
	tables, err := b.layer(ctx, "node image: kube-proxy layer", from, func() (image.Files, error) {
		files, err := root.Files([]string{"iptables", "kmod"}, []string{"netbase"})
		if err != nil {
			return nil, err
		}
		// Debian's alternatives belong to no package.
		for _, name := range []string{"iptables", "ip6tables"} {
			for _, suffix := range []string{"", "-save", "-restore"} {
				files["usr/sbin/"+name+suffix] = image.Link("xtables-nft-multi")
			}
		}
		files["run"] = image.Dir(0o755)
		return files, nil
	})
	if err != nil {
		return nil, err
	}
	kubernetes, err := b.kubernetes(ctx)
	if err != nil {
		return nil, err
	}
	config := v1.Config{Env: []string{searchPath}, Entrypoint: []string{"/usr/local/bin/kube-proxy"}}
	return image.New(config, tables, kubernetes)
}
