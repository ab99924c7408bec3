// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"
)

func (k *kinds) KubeConfig(name string, _ bool) (string, error) {
	if name == "stopped" {
		return "", errors.New("no such container")
	}
	return "clusters: [{name: kind-" + name + ", cluster: {server: 'https://127.0.0.1:" + name + "'}}]", nil
}

func (k *kinds) ListInternalNodes(string) ([]nodes.Node, error) { return k.nodes, nil }

// node plays a node: what containerd has, and what came.
type node struct {
	nodes.Node
	name string
	// images are the digests of those that are whole, by their names.
	images  map[string]string
	blobs   []string
	imports [][]string
	// config is that of the image that came last.
	config    v1.ConfigFile
	arguments string
	refuses   int
	// saying is what it refuses with; down that it does not run.
	saying string
	down   bool
}

func (n *node) String() string { return n.name }

func (n *node) CommandContext(_ context.Context, name string, args ...string) exec.Cmd {
	return &command{node: n, line: name + " " + strings.Join(args, " ")}
}

type command struct {
	node *node
	line string
	in   io.Reader
	out  io.Writer
}

func (c *command) SetEnv(...string) exec.Cmd      { return c }
func (c *command) SetStdin(r io.Reader) exec.Cmd  { c.in = r; return c }
func (c *command) SetStdout(w io.Writer) exec.Cmd { c.out = w; return c }
func (c *command) SetStderr(_ io.Writer) exec.Cmd { return c }

func (c *command) Run() error {
	const check = "ctr --namespace=k8s.io images check --quiet --snapshotter=native name=="
	switch n := c.node; {
	case n.down:
		return refusal("Error response from daemon: container 1f2e is not running")
	case c.line == "containerd config dump":
		fmt.Fprint(c.out, "[x]\n  snapshotter = ''\n  snapshotter = 'native'\n")
	case strings.HasPrefix(c.line, check):
		name, digest, _ := strings.Cut(strings.TrimPrefix(c.line, check), ",target.digest==")
		if is, there := n.images[name]; there && (digest == "" || digest == is) {
			fmt.Fprintln(c.out, name)
		}
	case c.line == "ctr --namespace=k8s.io content list --quiet":
		fmt.Fprintln(c.out, strings.Join(n.blobs, "\n"))
	case strings.HasPrefix(c.line, "ctr --namespace=k8s.io images import "):
		return n.load(c.line, c.in)
	default:
		return errors.New("unexpected: " + c.line)
	}
	return nil
}

// refusal is what kind makes of a command that fails.
func refusal(output string) error {
	return &exec.RunError{Command: []string{"docker"}, Output: []byte(output), Inner: errors.New("exit status 1")}
}

// load takes an archive in as containerd does: under the name in the index.
func (n *node) load(line string, in io.Reader) error {
	n.arguments = line
	var names []string
	var index v1.IndexManifest
	files := map[string][]byte{}
	for archive := tar.NewReader(in); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return refusal("ctr: unexpected EOF")
		}
		names = append(names, h.Name)
		if files[h.Name], err = io.ReadAll(archive); err != nil {
			return refusal("ctr: unexpected EOF")
		}
	}
	n.imports = append(n.imports, names)
	if n.refuses--; n.refuses >= 0 {
		return refusal(cmp.Or(n.saying, "ctr: content digest not found"))
	}
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		return err
	}
	for _, d := range index.Manifests {
		if n.images == nil {
			n.images = map[string]string{}
		}
		n.images[d.Annotations["io.containerd.image.name"]] = d.Digest.String()
		m, err := v1.ParseManifest(bytes.NewReader(files[blobName(d.Digest)]))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(files[blobName(m.Config.Digest)], &n.config); err != nil {
			return err
		}
	}
	return nil
}

func pinnedImage(t *testing.T) (v1.Image, string) {
	t.Helper()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return img, "layout.localhost/x@" + digest.String()
}

// is reads an image.
func is(img v1.Image) func() (v1.Image, error) { return func() (v1.Image, error) { return img, nil } }

// An image that is nowhere else any more is still in the nodes.
func TestWhatAllNodesHaveNeedsNoImage(t *testing.T) {
	t.Parallel()
	_, ref := pinnedImage(t)
	gone := func() (v1.Image, error) { return nil, errors.New("there is no such image") }
	there := func() map[string]string { return map[string]string{ref: "sha256:of-once"} }
	k := &kinds{nodes: []nodes.Node{&node{name: "one", images: there()}, &node{name: "two", images: there()}}}
	c, _ := k.clusters(t)
	if did, err := c.Load(t.Context(), "lab", ref, gone); err != nil || did != (Loaded{Nodes: 2}) {
		t.Errorf("did %+v, %v", did, err)
	}
	k.nodes = append(k.nodes, &node{name: "three"})
	if _, err := c.Load(t.Context(), "lab", ref, gone); err == nil || err.Error() != "there is no such image" {
		t.Errorf("where a node lacks it: %v", err)
	}
}

// A kubelet knows an image that it has pulled by its ID, the digest of the config.
// One that is loaded is another to it, the same one each time.
func TestWhatIsLoadedIsNotWhatAKubeletHasPulled(t *testing.T) {
	t.Parallel()
	img, ref := pinnedImage(t)
	pulled, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	// One node has what a plugin loaded before it had images of their own.
	fresh, old := &node{name: "fresh"}, &node{name: "old", blobs: blobsOf(t, img)}
	old.images = map[string]string{ref: ref[strings.Index(ref, "sha256:"):]}
	k := &kinds{nodes: []nodes.Node{fresh, old}}
	c, _ := k.clusters(t)
	if did, err := c.Load(t.Context(), "lab", ref, is(img)); err != nil || did.Sent != 2 {
		t.Errorf("did %+v, %v", did, err)
	}
	if is := fresh.config.Config.Labels; len(is) != 1 || is["kubectl-aml/image"] != ref {
		t.Errorf("its labels are %v", is)
	}
	if fresh.images[ref] != old.images[ref] || strings.HasSuffix(ref, fresh.images[ref]) {
		t.Errorf("the nodes have %s and %s as %s", fresh.images[ref], old.images[ref], ref)
	}
	fresh.config.Config.Labels = nil
	if !reflect.DeepEqual(fresh.config.Config, pulled.Config) || !reflect.DeepEqual(fresh.config.RootFS, pulled.RootFS) {
		t.Errorf("else it is\n%+v\nnot\n%+v", fresh.config, pulled)
	}
	if did, err := c.Load(t.Context(), "lab", ref, is(img)); err != nil || did != (Loaded{Nodes: 2}) {
		t.Errorf("again it did %+v, %v", did, err)
	}
}

// An artifact has no config with labels, which a kubelet would take its ID from.
func TestAnArtifactIsLoadedAsItIs(t *testing.T) {
	t.Parallel()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.example+json")
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{name: "lab-worker"}
	k := &kinds{nodes: []nodes.Node{n}}
	c, _ := k.clusters(t)
	ref := "layout.localhost/x@" + digest.String()
	if _, err := c.Load(t.Context(), "lab", ref, is(img)); err != nil || n.images[ref] != digest.String() {
		t.Errorf("the node has %s, %v", n.images[ref], err)
	}
}

// loadedDigest is that of an image in nodes.
func loadedDigest(t *testing.T, img v1.Image, ref string) string {
	t.Helper()
	own, err := ownIdentity(img, ref)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := own.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func blobsOf(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, digest.String())
	}
	return out
}

func TestNodesGetWhatTheyLack(t *testing.T) {
	t.Parallel()
	img, ref := pinnedImage(t)
	layers := blobsOf(t, img)
	empty, half := &node{name: "empty"}, &node{name: "half", blobs: layers[:1]}
	full := &node{name: "full", images: map[string]string{ref: loadedDigest(t, img, ref)}}
	swept := &node{name: "swept", blobs: layers, refuses: 1}
	k := &kinds{nodes: []nodes.Node{empty, half, full, swept}}
	c, _ := k.clusters(t)
	did, err := c.Load(t.Context(), "lab", ref, is(img))
	if err != nil || did.Nodes != 4 || did.Sent != 3 || did.Bytes < 3000 {
		t.Errorf("did %+v, %v", did, err)
	}
	for n, want := range map[*node][]int{empty: {6}, half: {5}, full: nil, swept: {4, 6}} {
		var got []int
		for _, files := range n.imports {
			got = append(got, len(files))
		}
		if !slices.Equal(got, want) {
			t.Errorf("node %s got %v files, want %v", n, got, want)
		}
	}
	if slices.Contains(half.imports[0], "blobs/sha256/"+strings.TrimPrefix(layers[0], "sha256:")) {
		t.Error("a layer was sent that is there")
	}
	if want := "ctr --namespace=k8s.io images import --all-platforms --snapshotter=native -"; empty.arguments != want {
		t.Errorf("ran %q, want %q", empty.arguments, want)
	}
}

// broken is an image whose last layer cannot be read.
type broken struct{ v1.Image }

func (b broken) Layers() ([]v1.Layer, error) {
	layers, err := b.Image.Layers()
	layers[1] = brokenLayer{layers[1]}
	return layers, err
}

type brokenLayer struct{ v1.Layer }

func (brokenLayer) Compressed() (io.ReadCloser, error) { return nil, errors.New("the disk is gone") }

func TestWhatKeepsAnImageFromNodesIsTold(t *testing.T) {
	t.Parallel()
	img, ref := pinnedImage(t)
	for name, c := range map[string]struct {
		image v1.Image
		node  *node
		ref   string
		want  string
	}{
		"a node": {img, &node{name: "lab-worker", refuses: 2}, ref, "load the image into node lab-worker: ctr: content digest not found"},
		"a node that is full": {img, &node{name: "lab-worker", blobs: []string{"sha256:other"}, refuses: 1,
			saying: "ctr: write /var/lib/containerd/x: no space left on device"}, ref, "load the image into node lab-worker: " +
			"ctr: write /var/lib/containerd/x: no space left on device: make room on the disk that the nodes are on"},
		"a node that is down": {img, &node{name: "lab-worker", down: true}, ref, "look into node lab-worker: Error response " +
			"from daemon: container 1f2e is not running: start the node's container again, or make the cluster anew"},
		"an image": {broken{img}, &node{name: "lab-worker"}, ref, "the disk is gone"},
		"a tag":    {img, &node{name: "lab-worker"}, "x:1", `image "x:1" has no digest: name it as REPOSITORY@sha256:DIGEST`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &kinds{nodes: []nodes.Node{c.node}}
			clusters, _ := k.clusters(t)
			if _, err := clusters.Load(t.Context(), "lab", c.ref, is(c.image)); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	k := &kinds{}
	clusters, _ := k.clusters(t)
	if _, err := clusters.Load(t.Context(), "lab", ref, is(img)); err == nil ||
		err.Error() != "kind cluster lab has no nodes: make it anew" {
		t.Errorf("without nodes: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.nodes = []nodes.Node{&node{name: "lab-worker"}}
	if _, err := clusters.Load(ctx, "lab", ref, is(img)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAClusterIsKnownByItsServer(t *testing.T) {
	t.Parallel()
	k := &kinds{there: []string{"stopped", "4001", "4002"}}
	c, _ := k.clusters(t)
	for server, want := range map[string]string{"https://127.0.0.1:4002": "4002", "https://127.0.0.1:4002/": "4002",
		"https://127.0.0.1:4003": "", "": "", "https://lab.example:4002": ""} {
		if got, err := c.At(server); got != want || err != nil {
			t.Errorf("at %q is %q, %v; want %q", server, got, err, want)
		}
	}
}
