// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"
)

// At is the name of the cluster whose API server this machine reaches at an
// address, as a kubeconfig has it. It is empty if that is none of kind's.
func (c *Clusters) At(server string) (string, error) {
	names, err := c.provider.List()
	if err != nil {
		return "", told("list the clusters of kind", err)
	}
	for _, name := range names {
		text, err := c.provider.KubeConfig(name, false)
		if err != nil {
			continue // it is stopped, or half made
		}
		config, err := clientcmd.Load([]byte(text))
		if err != nil {
			continue
		}
		for _, there := range config.Clusters {
			if sameServer(there.Server, server) {
				return name, nil
			}
		}
	}
	return "", nil
}

func sameServer(a, b string) bool {
	first, err := url.Parse(a)
	if err != nil {
		return false
	}
	second, err := url.Parse(b)
	return err == nil && first.Host != "" && first.Host == second.Host
}

// Loaded is what Load did.
type Loaded struct {
	// Nodes are those of the cluster, Sent those of them that lacked the image.
	Nodes, Sent int
	// Bytes went to all of them together.
	Bytes int64
}

// Load puts an image into every node of a cluster, under the reference by digest
// that a pod names: the nodes never ask a registry for it. It goes as a stream,
// to all nodes at once; nodes that have it are left alone, and of others' layers
// only those are sent that they lack. If no node lacks the image, it is not read.
func (c *Clusters) Load(ctx context.Context, name, reference string, read func() (v1.Image, error)) (Loaded, error) {
	all, err := c.provider.ListInternalNodes(name)
	if err != nil {
		return Loaded{}, told("list the nodes of kind cluster "+name, err)
	}
	if len(all) == 0 {
		return Loaded{}, fmt.Errorf("kind cluster %s has no nodes: make it anew", name)
	}
	pack := sync.OnceValues(func() (*archive, error) {
		image, err := read()
		if err != nil {
			return nil, err
		}
		return newArchive(image, reference)
	})
	out := Loaded{Nodes: len(all)}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range all {
		group.Go(func() error {
			sent, bytes, err := load(ctx, bound{n, ctx}, reference, pack)
			mu.Lock()
			defer mu.Unlock()
			if out.Bytes += bytes; sent {
				out.Sent++
			}
			return err
		})
	}
	return out, group.Wait()
}

// bound is a node whose commands end with a context: kind's own library has most
// of them run without.
type bound struct {
	nodes.Node
	ctx context.Context
}

// Command is a command that ends with the context.
func (b bound) Command(name string, args ...string) exec.Cmd {
	return b.CommandContext(b.ctx, name, args...)
}

// load sends an archive to one node without the blobs that it has. Those may be
// swept away meanwhile: then everything is sent.
func load(ctx context.Context, n nodes.Node, reference string, pack func() (*archive, error)) (
	sent bool, size int64, err error,
) {
	there, err := listed(n, "images", "name=="+reference)
	if err != nil || slices.Contains(there, reference) {
		return false, 0, told("look for the image in node "+n.String(), err)
	}
	a, err := pack()
	if err != nil {
		return false, 0, err
	}
	blobs, err := listed(n, "content")
	if err != nil {
		return false, 0, told("look for layers in node "+n.String(), err)
	}
	size, err = a.send(n, blobs)
	if err != nil && len(blobs) > 0 && ctx.Err() == nil && !a.failed() {
		var again int64
		again, err = a.send(n, nil)
		size += again
	}
	switch {
	case ctx.Err() != nil:
		return true, size, context.Cause(ctx)
	case a.failed():
		return true, size, a.err
	}
	return true, size, told("load the image into node "+n.String(), err)
}

// listed are the names that containerd has of a kind of things.
func listed(n nodes.Node, kind string, filters ...string) ([]string, error) {
	args := append([]string{"--namespace=k8s.io", kind, "list", "--quiet"}, filters...)
	return exec.OutputLines(n.Command("ctr", args...))
}

// archive is an image as an image layout in a tar file, which is written anew for
// each node.
type archive struct {
	parts []part

	mu  sync.Mutex
	err error // of reading the image
}

// part is one file of it.
type part struct {
	digest, name string
	size         int64
	open         func() (io.ReadCloser, error)
}

// send has the node import what it does not have.
func (a *archive) send(n nodes.Node, there []string) (int64, error) {
	r, w := io.Pipe()
	written := make(chan int64, 1)
	go func() {
		size, err := a.write(w, there)
		_ = w.CloseWithError(err) // never fails
		written <- size
	}()
	err := a.receive(n, r)
	_ = r.CloseWithError(errors.New("nobody reads it any more")) // never fails
	return <-written, err
}

// receive is nodeutils.LoadImageArchive without its --digests: that names the image
// import-DATE, too, by which the kubelet then looks for it in vain.
func (a *archive) receive(n nodes.Node, archive io.Reader) error {
	args := []string{"--namespace=k8s.io", "images", "import", "--all-platforms"}
	config, err := exec.Output(n.Command("containerd", "config", "dump"))
	if err != nil {
		return err
	}
	if m := snapshotter.FindSubmatch(config); m != nil {
		args = append(args, "--snapshotter="+string(m[1]))
	}
	return n.Command("ctr", append(args, "-")...).SetStdin(archive).Run()
}

// snapshotter is what unpacks images: the kubelet's plugin comes first in what
// containerd says of itself, and others leave it empty.
var snapshotter = regexp.MustCompile(`(?m)^\s*snapshotter = ["']([^"']+)["']`)

func (a *archive) write(to io.Writer, there []string) (int64, error) {
	out := tar.NewWriter(to)
	var size int64
	for _, p := range a.parts {
		if p.digest != "" && slices.Contains(there, p.digest) {
			continue
		}
		if err := out.WriteHeader(&tar.Header{Name: p.name, Mode: 0o644, Size: p.size, Typeflag: tar.TypeReg}); err != nil {
			return size, err
		}
		n, err := a.copy(out, p)
		if size += n; err != nil {
			return size, err
		}
	}
	return size, out.Close()
}

func (a *archive) copy(out io.Writer, p part) (int64, error) {
	from, err := p.open()
	if err != nil {
		return 0, a.fail(err)
	}
	defer func() { _ = from.Close() }() // only read from
	return io.Copy(out, &watched{from, a})
}

// watched notes what goes wrong with the image, to tell it from what goes wrong
// with a node.
type watched struct {
	io.Reader
	of *archive
}

func (r *watched) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.of.fail(err)
	}
	return n, err
}

func (a *archive) fail(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	return err
}

func (a *archive) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}

// imageName names an image for containerd. The kubelet's look-up is by the very
// text that the pod has.
const imageName = "io.containerd.image.name"

func newArchive(image v1.Image, reference string) (*archive, error) {
	if !strings.Contains(reference, "@sha256:") {
		return nil, fmt.Errorf("image %q has no digest", reference)
	}
	a := &archive{}
	index, err := indexOf(image, reference)
	if err != nil {
		return nil, err
	}
	a.parts = append(a.parts, text("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), text("index.json", index))
	for _, read := range []struct {
		digest func() (v1.Hash, error)
		bytes  func() ([]byte, error)
	}{{image.Digest, image.RawManifest}, {image.ConfigName, image.RawConfigFile}} {
		digest, err := read.digest()
		if err != nil {
			return nil, err
		}
		content, err := read.bytes()
		if err != nil {
			return nil, err
		}
		a.parts = append(a.parts, text(blobName(digest), content).of(digest))
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	return a, a.layers(layers)
}

func (a *archive) layers(layers []v1.Layer) error {
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		size, err := l.Size()
		if err != nil {
			return err
		}
		p := part{name: blobName(digest), size: size, open: l.Compressed}.of(digest)
		if !slices.ContainsFunc(a.parts, func(other part) bool { return other.name == p.name }) {
			a.parts = append(a.parts, p)
		}
	}
	return nil
}
