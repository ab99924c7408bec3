// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
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
// to all nodes at once; nodes that have all of it are left alone, and of others'
// layers only those are sent that they lack. An image that cannot be read is no
// error where every node has one of the name.
//
// In the nodes its config has one label more: see ownIdentity.
func (c *Clusters) Load(ctx context.Context, name, reference string, read func() (v1.Image, error)) (Loaded, error) {
	all, err := c.provider.ListInternalNodes(name)
	if err != nil {
		return Loaded{}, told("list the nodes of kind cluster "+name, err)
	}
	if len(all) == 0 {
		return Loaded{}, fmt.Errorf("kind cluster %s has no nodes: make it anew", name)
	}
	a := &archive{reference: reference}
	a.gone = a.pack(read)
	out := Loaded{Nodes: len(all)}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range all {
		group.Go(func() error {
			sent, bytes, err := load(ctx, bound{n, ctx}, a)
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

// load puts an archive into one node, and tells what kept it from that: the end of
// all, the image, or the node.
func load(ctx context.Context, n nodes.Node, a *archive) (sent bool, size int64, err error) {
	sent, size, err = a.into(ctx, n)
	if ctx.Err() != nil {
		return sent, size, context.Cause(ctx)
	}
	return sent, size, cmp.Or(a.failure(), err)
}

// into sends the archive to a node without the blobs that it has. Those may be
// swept away meanwhile: then everything is sent.
func (a *archive) into(ctx context.Context, n nodes.Node) (sent bool, size int64, err error) {
	snapshotter, err := snapshotterOf(n)
	if err != nil {
		return false, 0, unreachable(n, err)
	}
	if a.isIn(n, snapshotter) {
		return false, 0, nil
	}
	if a.gone != nil {
		return false, 0, a.gone
	}
	blobs, err := listed(n, "content", "list")
	if err != nil {
		return false, 0, unreachable(n, err)
	}
	size, err = a.send(n, snapshotter, blobs)
	if err != nil && len(blobs) > 0 && ctx.Err() == nil && a.failure() == nil && !isFull(err) {
		var again int64
		again, err = a.send(n, snapshotter, nil)
		size += again
	}
	return true, size, refused(n, err)
}

// isIn tells whether a node has the image with all of its layers: one who was
// killed may have left the name, and not what it stands for.
func (a *archive) isIn(n nodes.Node, snapshotter string) bool {
	wanted := "name==" + a.reference
	if a.gone == nil {
		wanted += ",target.digest==" + a.digest.String()
	}
	there, err := listed(n, "images", "check", snapshotter, wanted)
	return err == nil && slices.Contains(there, a.reference)
}

// archive is an image as an image layout in a tar file, which is written anew for
// each node.
type archive struct {
	reference string
	// digest is that of the image in the nodes.
	digest v1.Hash
	parts  []part
	// gone is why there is nothing to send; nil if there is.
	gone error

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
func (a *archive) send(n nodes.Node, snapshotter string, there []string) (int64, error) {
	r, w := io.Pipe()
	written := make(chan int64, 1)
	go func() {
		size, err := a.write(w, there)
		_ = w.CloseWithError(err) // never fails
		written <- size
	}()
	err := receive(n, snapshotter, r)
	_ = r.CloseWithError(errors.New("nobody reads it any more")) // never fails
	return <-written, err
}

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

func (a *archive) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// pack makes an archive of an image.
func (a *archive) pack(read func() (v1.Image, error)) error {
	image, err := read()
	if err != nil {
		return err
	}
	own, err := ownIdentity(image, a.reference)
	if err != nil {
		return err
	}
	index, err := indexOf(own, a.reference)
	if err != nil {
		return err
	}
	a.parts = append(a.parts, text("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), text("index.json", index))
	for _, blob := range []struct {
		digest func() (v1.Hash, error)
		bytes  func() ([]byte, error)
	}{{own.Digest, own.RawManifest}, {own.ConfigName, own.RawConfigFile}} {
		digest, err := blob.digest()
		if err != nil {
			return err
		}
		content, err := blob.bytes()
		if err != nil {
			return err
		}
		a.parts = append(a.parts, text(blobName(digest), content).of(digest))
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	if err := a.layers(layers); err != nil {
		return err
	}
	a.digest, err = own.Digest()
	return err
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
