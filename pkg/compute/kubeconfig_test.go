// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// written is what kubectl config has written, with an extension of another tool.
const written = "testdata/kubeconfig.yaml"

// kubeconfigOf copies files into a folder and makes a kubeconfig of them.
func kubeconfigOf(t *testing.T, files ...string) (k compute.Kubeconfig, paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, name := range files {
		path := filepath.Join(dir, fmt.Sprint("config", i))
		paths = append(paths, path)
		if name == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(text(t, name)), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return compute.Kubeconfig{Clock: clock.RealClock{},
		Access: &clientcmd.ClientConfigLoadingRules{Precedence: paths, DoNotResolvePaths: true}}, paths
}

func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// elsewhere are credentials as a cloud hands them out.
func elsewhere(server, token string) clientcmdapi.Config {
	return clientcmdapi.Config{
		Clusters:  map[string]*clientcmdapi.Cluster{"aks": {Server: server}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"clusterUser_rg_aks": {Token: token}},
		Contexts:  map[string]*clientcmdapi.Context{"aks": {Cluster: "aks", AuthInfo: "clusterUser_rg_aks"}},
	}
}

var labMarker = compute.Marker{Name: "lab", Provider: compute.Kubernetes, AttachmentUID: "uid-1"}

func own(t *testing.T, k compute.Kubeconfig) clientcmdapi.Config {
	t.Helper()
	config, err := k.Access.GetStartingConfig()
	if err != nil {
		t.Fatal(err)
	}
	return *config
}

// Each of these changes the file to what the golden file of its name holds, and
// Remove brings it back to the byte.
func TestPutAndRemoveKeepAllElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		context string
		from    func(own clientcmdapi.Config) clientcmdapi.Config
		put     compute.PutOptions
	}{
		"context-of-the-same-cluster": {"kind-kind", func(own clientcmdapi.Config) clientcmdapi.Config { return own },
			compute.PutOptions{Namespace: "models"}},
		"credentials-of-a-cloud": {"aks", func(clientcmdapi.Config) clientcmdapi.Config {
			return elsewhere("https://aks.example:443", "t")
		}, compute.PutOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, paths := kubeconfigOf(t, written)
			if err := k.Put(t.Context(), "lab", test.from(own(t, k)), test.context, labMarker, test.put); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, filepath.Join("testdata", name+".yaml"), text(t, paths[0]))
			info, err := os.Stat(paths[0])
			if err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the mode is %v, %v", info.Mode(), err)
			}
			if err := k.Remove(t.Context(), "lab"); err != nil {
				t.Fatal(err)
			}
			if now := text(t, paths[0]); now != text(t, written) {
				t.Errorf("after Remove the file is\n%s", now)
			}
			entries, err := os.ReadDir(filepath.Dir(paths[0]))
			if err != nil || len(entries) != 1 {
				t.Errorf("the folder has %v, %v", entries, err)
			}
		})
	}
}

func TestAContextThatWasThereLosesItsMarkerOnly(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, written)
	if err := k.Put(t.Context(), "far", own(t, k), "far", labMarker, compute.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if c, ok, err := k.Context("far"); err != nil || !ok || c.Marker == nil || c.Marker.AttachmentUID != "uid-1" {
		t.Fatalf("context %+v, %v", c, err)
	}
	if err := k.Remove(t.Context(), "far"); err != nil {
		t.Fatal(err)
	}
	if now := text(t, paths[0]); now != text(t, written) {
		t.Errorf("after Remove the file is\n%s", now)
	}
}

func TestPutRefusesWhatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		name string
		from clientcmdapi.Config
		says string
	}{
		"a context of another cluster": {"far", elsewhere("https://aks.example:443", "t"), `context "far" already, which leads to https://far.example`},
		"a cluster of the same name": {"lab", func() clientcmdapi.Config {
			c := elsewhere("https://aks.example:443", "t")
			c.Clusters["far"] = c.Clusters["aks"]
			c.Contexts["aks"].Cluster = "far"
			return c
		}(), `another cluster "far" already`},
		"a user of the same name": {"lab", func() clientcmdapi.Config {
			c := elsewhere("https://aks.example:443", "t")
			c.AuthInfos["far"] = c.AuthInfos["clusterUser_rg_aks"]
			c.Contexts["aks"].AuthInfo = "far"
			return c
		}(), `another user "far" already`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, paths := kubeconfigOf(t, written)
			put := func(o compute.PutOptions) error {
				if err := k.Check(test.name, test.from, "aks", labMarker, o); err != nil {
					return err
				}
				return k.Put(t.Context(), test.name, test.from, "aks", labMarker, o)
			}
			var taken *compute.ConflictError
			if err := put(compute.PutOptions{}); !errors.As(err, &taken) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("says %v", err)
			}
			if now := text(t, paths[0]); now != text(t, written) {
				t.Errorf("and the file is\n%s", now)
			}
			if err := put(compute.PutOptions{Overwrite: true}); err != nil {
				t.Error(err)
			}
			if c, _, err := k.Context(test.name); err != nil || c.Server != "https://aks.example:443" {
				t.Errorf("overwritten, the context is %+v, %v", c, err)
			}
		})
	}
}

// Of new credentials for a cluster, those made for the compute are replaced.
func TestPutRenewsItsOwnCredentials(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, written)
	for _, token := range []string{"first", "second"} {
		if err := k.Put(t.Context(), "lab", elsewhere("https://aks.example:443", token), "aks", labMarker, compute.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if now := text(t, paths[0]); !strings.Contains(now, "token: second") || strings.Contains(now, "token: first") {
		t.Errorf("the file is\n%s", now)
	}
	if err := k.Remove(t.Context(), "lab"); err != nil {
		t.Fatal(err)
	}
	if now := text(t, paths[0]); now != text(t, written) {
		t.Errorf("after Remove the file is\n%s", now)
	}
}

func TestTheCurrentContextChangesWhenAsked(t *testing.T) {
	t.Parallel()
	k, _ := kubeconfigOf(t, written)
	now := func() string {
		c, _, err := k.Current()
		if err != nil {
			t.Fatal(err)
		}
		return c.Name
	}
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error {
			return k.Put(t.Context(), "lab", own(t, k), "kind-kind", labMarker, compute.PutOptions{})
		}, "kind-kind"},
		{func() error { return k.Use(t.Context(), "lab") }, "lab"},
		{func() error { return k.Use(t.Context(), "kind-kind") }, "kind-kind"},
		{func() error {
			return k.Put(t.Context(), "lab", own(t, k), "kind-kind", labMarker, compute.PutOptions{Use: true})
		}, "lab"},
	}
	for i, step := range steps {
		if err := step.do(); err != nil || now() != step.want {
			t.Errorf("step %d: %v, current %s, want %s", i, err, now(), step.want)
		}
	}
	if err := k.Use(t.Context(), "nowhere"); err == nil {
		t.Error("uses a context that is not there")
	}
}

// What is in force in several files is changed where it is; what is new goes into
// the first that exists.
func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, "", written, "testdata/second.yaml")
	if err := k.Put(t.Context(), "lab", own(t, k), "second", labMarker, compute.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(paths[0]); err == nil {
		t.Error("made the file that was not there")
	}
	if now := text(t, paths[2]); now != text(t, "testdata/second.yaml") {
		t.Errorf("the second file is\n%s", now)
	}
	if c, ok, err := k.Context("lab"); err != nil || !ok || c.Server != "https://second.example" {
		t.Errorf("context %+v, %v", c, err)
	}
	if err := k.Mark(t.Context(), "second", &labMarker); err != nil {
		t.Fatal(err)
	}
	if now := text(t, paths[2]); !strings.Contains(now, "aml.dev/compute") {
		t.Errorf("the second file is\n%s", now)
	}
	if err := errors.Join(k.Mark(t.Context(), "second", nil), k.Remove(t.Context(), "lab")); err != nil {
		t.Fatal(err)
	}
	for i, was := range map[int]string{1: written, 2: "testdata/second.yaml"} {
		if now := text(t, paths[i]); now != text(t, was) {
			t.Errorf("file %d is\n%s", i, now)
		}
	}
}

func TestALinkStaysALink(t *testing.T) {
	t.Parallel()
	_, paths := kubeconfigOf(t, written)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(paths[0], link); err != nil {
		t.Fatal(err)
	}
	k := compute.Kubeconfig{Clock: clock.RealClock{}, Access: &clientcmd.ClientConfigLoadingRules{ExplicitPath: link}}
	if err := k.Use(t.Context(), "far"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if !strings.Contains(text(t, paths[0]), "current-context: far") {
		t.Error("what it leads to is not changed")
	}
}

func TestAReadOnlyFileStays(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, written)
	if err := os.Chmod(paths[0], 0o400); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"check": k.Check("lab", own(t, k), "kind-kind", labMarker, compute.PutOptions{}),
		"put":   k.Put(t.Context(), "lab", own(t, k), "kind-kind", labMarker, compute.PutOptions{}),
		"use":   k.Use(t.Context(), "far"),
	} {
		if !strings.Contains(message(err), paths[0]+" is read-only") {
			t.Errorf("%s says %v", name, err)
		}
	}
	if now := text(t, paths[0]); now != text(t, written) {
		t.Errorf("the file is\n%s", now)
	}
	if err := k.Use(t.Context(), "kind-kind"); err != nil { // it is that already
		t.Error(err)
	}
}

func TestAllWritersAtOnceAreKept(t *testing.T) {
	t.Parallel()
	k, _ := kubeconfigOf(t, written)
	const writers = 20
	errs := make([]error, writers)
	var wait sync.WaitGroup
	from := own(t, k)
	for i := range writers {
		wait.Go(func() {
			name := fmt.Sprintf("lab-%d", i)
			errs[i] = k.Put(t.Context(), name, from, "kind-kind", compute.Marker{Name: name}, compute.PutOptions{})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if all, err := k.Computes(); err != nil || len(all) != writers {
		t.Errorf("%d of %d are there: %v", len(all), writers, err)
	}
}

// waiting is a clock that moves by each wait, after something has happened.
type waiting struct {
	*clocktesting.FakeClock
	happens func()
}

func (w waiting) After(d time.Duration) <-chan time.Time {
	w.happens()
	c := w.FakeClock.After(d)
	w.Step(d)
	return c
}

// A lock that somebody holds is waited for; one that a killed process left is named.
func TestALockIsWaitedFor(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, written)
	lock, start, waits := paths[0]+".lock", time.Unix(0, 0), 0
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k.Clock = waiting{clocktesting.NewFakeClock(start), func() { waits++ }}
	if err := k.Use(t.Context(), "far"); !strings.Contains(message(err), "locked by "+lock) ||
		!strings.Contains(message(err), "delete that file") || waits == 0 {
		t.Errorf("a lock that was left, after %d waits: %v", waits, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Clock = clocktesting.NewFakeClock(start)
	if err := k.Use(ctx, "far"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if now := text(t, paths[0]); now != text(t, written) {
		t.Errorf("the file is\n%s", now)
	}
	k.Clock = waiting{clocktesting.NewFakeClock(start), func() { _ = os.Remove(lock) }}
	if err := k.Use(t.Context(), "far"); err != nil || !strings.Contains(text(t, paths[0]), "current-context: far") {
		t.Errorf("a lock that was given back: %v", err)
	}
}

func TestAMarkerThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	k, paths := kubeconfigOf(t, written)
	if err := k.Put(t.Context(), "lab", own(t, k), "kind-kind", labMarker, compute.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(text(t, paths[0]), "apiVersion: aml.dev/v1", "apiVersion: aml.dev/v9", 1)
	if err := os.WriteFile(paths[0], []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Context("lab"); !strings.Contains(message(err), "kubectl config delete-context lab") {
		t.Errorf("says %v", err)
	}
	if all, err := k.Computes(); err != nil || len(all) != 1 || all[0].Problem == nil {
		t.Errorf("computes %+v, %v", all, err)
	}
	if _, ok, err := k.Context("far"); err != nil || !ok {
		t.Errorf("another context: %v, %v", ok, err)
	}
}
