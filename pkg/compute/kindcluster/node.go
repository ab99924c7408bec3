// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"
)

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

// listed are the names that containerd has of things.
func listed(n nodes.Node, kind, verb string, more ...string) ([]string, error) {
	return exec.OutputLines(n.Command("ctr", append([]string{"--namespace=k8s.io", kind, verb, "--quiet"}, more...)...))
}

// receive is nodeutils.LoadImageArchive without its --digests: that names the image
// import-DATE, too, by which the kubelet then looks for it in vain.
func receive(n nodes.Node, snapshotter string, archive io.Reader) error {
	return n.Command("ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", snapshotter, "-").
		SetStdin(archive).Run()
}

// snapshotterOf is the flag of ctr for what unpacks images in a node.
func snapshotterOf(n nodes.Node) (string, error) {
	config, err := exec.Output(n.Command("containerd", "config", "dump"))
	if err != nil {
		return "", err
	}
	m := snapshotter.FindSubmatch(config)
	if m == nil {
		return "--snapshotter=", nil // the one that containerd takes by itself
	}
	return "--snapshotter=" + string(m[1]), nil
}

// snapshotter is what unpacks images: the kubelet's plugin comes first in what
// containerd says of itself, and others leave it empty.
var snapshotter = regexp.MustCompile(`(?m)^\s*snapshotter = ["']([^"']+)["']`)

// unreachable is err of a node that does not tell what it has.
func unreachable(n nodes.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: start the node's container again, or make the cluster anew",
		told("look into node "+n.String(), err))
}

// refused is err of a node that did not take an image.
func refused(n nodes.Node, err error) error {
	why := told("load the image into node "+n.String(), err)
	if isFull(err) {
		return fmt.Errorf("%w: make room on the disk that the nodes are on", why)
	}
	return why
}

// isFull tells whether it is for want of room that a command failed.
func isFull(err error) bool {
	run := exec.RunErrorForError(err)
	return run != nil && strings.Contains(string(run.Output), "no space left on device")
}
