// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"
)

// kinds plays kind: it writes what it is asked for down.
type kinds struct {
	there []string
	did   []string
	// create is what making a cluster comes to; nil works.
	create func() error
	state  string
	gone   chan struct{}
	// late is how many deletes say that they did it and did not.
	late int
	// nodes are those of every cluster.
	nodes []nodes.Node
}

// instants is a clock for which all time is over at once.
type instants struct{ clock.RealClock }

func (instants) After(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

func (k *kinds) Create(name string, _ ...cluster.CreateOption) error {
	k.did = append(k.did, "create "+name)
	k.there = append(k.there, name)
	if k.create != nil {
		return k.create()
	}
	return nil
}

func (k *kinds) Delete(name, kubeconfig string) error {
	k.did = append(k.did, "delete "+name)
	if strings.HasPrefix(kubeconfig, k.state) {
		return errors.New("this is no folder of its own")
	}
	if k.late--; k.late >= 0 {
		return nil
	}
	k.there = slices.DeleteFunc(k.there, func(n string) bool { return n == name })
	if k.gone != nil {
		close(k.gone)
		k.gone = nil
	}
	return nil
}

func (k *kinds) List() ([]string, error) { return slices.Clone(k.there), nil }

func (k *kinds) clusters(t *testing.T) (*Clusters, *bytes.Buffer) {
	t.Helper()
	k.state = t.TempDir()
	log := &bytes.Buffer{}
	return &Clusters{provider: k, log: log, state: k.state, clock: instants{}}, log
}

func unexpected(context.Context, clientcmdapi.Config) error {
	return errors.New("there is nothing to be done with")
}

func TestAFailedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	k := &kinds{create: func() error {
		return &exec.RunError{Command: []string{"docker", "run"}, Output: []byte("pulling\nno such image\n"),
			Inner: errors.New("exit status 125")}
	}}
	c, _ := k.clusters(t)
	err := c.Create(t.Context(), CreateOptions{Name: "lab"}, unexpected)
	if err == nil || err.Error() != "make kind cluster lab: no such image" {
		t.Errorf("got %v", err)
	}
	if want := []string{"create lab", "delete lab"}; !slices.Equal(k.did, want) {
		t.Errorf("kind was asked to %v, want %v", k.did, want)
	}
	if content, err := os.ReadFile(filepath.Join(k.state, "lab")); err != nil || len(content) > 0 {
		t.Errorf("a failed create is still on the books: %q, %v", content, err)
	}
}

func TestWhatWentWrongIsToldInOneLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ output, want string }{
		"the last line":            {"one\ntwo\n\n", "two"},
		"not the stack of kubeadm": {"[init] so\nerror: it timed out\nk8s.io/x.go:1\n", "error: it timed out"},
		"nothing":                  {"\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reason(c.output); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestACreateThatWasCutOffIsMadeAnew(t *testing.T) {
	t.Parallel()
	k := &kinds{there: []string{"lab"}, create: func() error { return errors.New("seen") }}
	c, log := k.clusters(t)
	if err := os.WriteFile(filepath.Join(k.state, "lab"), []byte("in the making\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), CreateOptions{Name: "lab"}, unexpected); err == nil {
		t.Error("nothing was made")
	}
	if want := []string{"delete lab", "create lab", "delete lab"}; !slices.Equal(k.did, want) {
		t.Errorf("kind was asked to %v, want %v", k.did, want)
	}
	if !strings.Contains(log.String(), "kind cluster lab was not finished by an earlier create") {
		t.Errorf("said %q", log)
	}
}

func TestAClusterThatIsThereIsLeftAlone(t *testing.T) {
	t.Parallel()
	k := &kinds{there: []string{"lab"}}
	c, _ := k.clusters(t)
	if err := c.Create(t.Context(), CreateOptions{Name: "lab"}, unexpected); !errors.Is(err, ErrThere) {
		t.Errorf("got %v", err)
	}
	if len(k.did) > 0 {
		t.Errorf("kind was asked to %v", k.did)
	}
}

func TestRetainedNodesGoWithTheNextCreate(t *testing.T) {
	t.Parallel()
	k := &kinds{create: func() error { return errors.New("kubeadm did not start") }}
	c, _ := k.clusters(t)
	err := c.Create(t.Context(), CreateOptions{Name: "lab", Retain: true}, unexpected)
	if err == nil || !strings.Contains(err.Error(), "its nodes are kept until the next create") {
		t.Errorf("got %v", err)
	}
	k.create = func() error { return errors.New("again") }
	if err := c.Create(t.Context(), CreateOptions{Name: "lab"}, unexpected); err == nil {
		t.Error("nothing was made")
	}
	if want := []string{"create lab", "delete lab", "create lab", "delete lab"}; !slices.Equal(k.did, want) {
		t.Errorf("kind was asked to %v, want %v", k.did, want)
	}
}

func TestWhoeverIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	k := &kinds{gone: make(chan struct{})}
	gone := k.gone
	k.create = func() error {
		cancel()
		<-gone // kind fails when its nodes go
		return errors.New("no such container")
	}
	c, _ := k.clusters(t)
	if err := c.Create(ctx, CreateOptions{Name: "lab"}, unexpected); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(k.there) > 0 {
		t.Errorf("left: %v", k.there)
	}
}

func TestNodesThatComeLateAreDeletedToo(t *testing.T) {
	t.Parallel()
	k := &kinds{there: []string{"lab"}, late: 2}
	c, _ := k.clusters(t)
	if err := c.Delete(t.Context(), "lab"); err != nil || len(k.there) > 0 {
		t.Errorf("left %v, %v", k.there, err)
	}
	k = &kinds{there: []string{"lab"}, late: 1000}
	c, _ = k.clusters(t)
	if err := c.Delete(t.Context(), "lab"); err == nil || !strings.Contains(err.Error(), "its nodes do not go") {
		t.Errorf("got %v", err)
	}
}

func TestDeletingWhatIsNotThereIsNoError(t *testing.T) {
	t.Parallel()
	k := &kinds{}
	c, _ := k.clusters(t)
	if err := c.Delete(t.Context(), "lab"); err != nil {
		t.Error(err)
	}
}

func TestNodesAllTakePods(t *testing.T) {
	t.Parallel()
	config := CreateOptions{Nodes: 3}.cluster()
	if len(config.Nodes) != 3 || config.Nodes[0].Role != "control-plane" || config.Nodes[1].Role != "worker" {
		t.Errorf("got %+v", config.Nodes)
	}
	if patches := config.Nodes[0].KubeadmConfigPatches; len(patches) != 1 || !strings.Contains(patches[0], "taints: []") {
		t.Errorf("the control plane is patched with %q", patches)
	}
	if patches := (CreateOptions{Nodes: 1}).cluster().Nodes[0].KubeadmConfigPatches; len(patches) > 0 {
		t.Errorf("the only node is patched with %q, and kind finds no taint to take", patches)
	}
}

func TestAnEngineThatKindDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Engine: "lxc", Log: &bytes.Buffer{}, State: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), `"lxc"`) {
		t.Errorf("got %v", err)
	}
}
