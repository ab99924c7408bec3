// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestKey(t *testing.T) {
	if Key("ab", "c") == Key("a", "bc") {
		t.Error("where one input ends makes no difference")
	}
	if Key("a", "b") == Key("b", "a") {
		t.Error("the order of inputs makes no difference")
	}
	if first, second := Key("a"), Key("a"); first != second {
		t.Error("equal inputs, different keys")
	}
}

func TestFiles(t *testing.T) {
	hash := func(t *testing.T, files map[string]string) string {
		t.Helper()
		dir := t.TempDir()
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Files(dir)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	base := hash(t, map[string]string{"a": "1", "b": "2"})
	if hash(t, map[string]string{"a": "1", "b": "2"}) != base {
		t.Error("the folder makes a difference")
	}
	for name, files := range map[string]map[string]string{
		"content": {"a": "1", "b": "3"}, "name": {"a": "1", "c": "2"}, "one_less": {"a": "1"},
	} {
		if hash(t, files) == base {
			t.Errorf("%s makes no difference", name)
		}
	}
	if _, err := Files(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there is taken")
	}
}

func openStore(t *testing.T, dir string, out io.Writer) (*Store, *clocktesting.FakePassiveClock) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	store, err := Open(t.Context(), dir, out, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, clock
}

func TestRun(t *testing.T) {
	var out strings.Builder
	store, clock := openStore(t, t.TempDir(), &out)
	builds := 0
	st := Step{Name: "node image: etcd v3.7.0", Inputs: []string{"1"},
		Build: func(_ context.Context, dir string, _ io.Writer) error {
			builds++
			clock.SetTime(clock.Now().Add(6*time.Minute + 12345*time.Millisecond))
			return os.WriteFile(filepath.Join(dir, "etcd"), nil, 0o644)
		}}
	var dirs []string
	for range 2 {
		dir, err := store.Run(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	st.Inputs = []string{"2"}
	other, err := store.Run(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if builds != 2 || dirs[0] != dirs[1] || other == dirs[0] {
		t.Errorf("%d builds in %s and %s", builds, dirs, other)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "etcd")); err != nil {
		t.Error(err)
	}
	const want = "node image: etcd v3.7.0 … built in 6m12s\n"
	if out.String() != want+want {
		t.Errorf("progress:\n%s", out.String())
	}
}

func TestRunSaysCachedInTheNextRun(t *testing.T) {
	dir := t.TempDir()
	st := Step{Name: "a", Build: func(context.Context, string, io.Writer) error { return nil }}
	var outs [2]strings.Builder
	for i := range outs {
		store, _ := openStore(t, dir, &outs[i])
		if _, err := store.Run(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if outs[0].String() != "a … built in 0s\n" || outs[1].String() != "a … cached\n" {
		t.Errorf("progress: %q, then %q", outs[0].String(), outs[1].String())
	}
}

func TestRunFailing(t *testing.T) {
	var out strings.Builder
	store, _ := openStore(t, t.TempDir(), &out)
	broken := errors.New("broken")
	st := Step{Name: "a", Build: func(_ context.Context, dir string, log io.Writer) error {
		for i := range 20 {
			fmt.Fprintf(log, "line %d\n", i)
		}
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o644), broken)
	}}
	if _, err := store.Run(t.Context(), st); !errors.Is(err, broken) {
		t.Fatalf("error = %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(store.Dir(), "steps")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if got := out.String(); !strings.HasPrefix(got, "a … failed after 0s\n    line 5\n") || !strings.HasSuffix(got, "    line 19\n") {
		t.Errorf("progress:\n%s", got)
	}
}

func TestRunStartsCleanAfterAKill(t *testing.T) {
	store, _ := openStore(t, t.TempDir(), io.Discard)
	left := filepath.Join(store.Dir(), "steps", "a-"+Key()+".try123")
	if err := os.MkdirAll(filepath.Join(left, "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := store.Run(t.Context(), Step{Name: "a", Build: func(context.Context, string, io.Writer) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 0 {
		t.Errorf("the result has %v, %v", found, err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
}

func TestOpenWaitsForTheLock(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, io.Discard)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var out strings.Builder
	_, err := Open(ctx, dir, &out, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	if out.String() != "waiting for another run that holds "+dir+"\n" {
		t.Errorf("progress: %q", out.String())
	}
}

func TestMountsBelow(t *testing.T) {
	const mounts = "proc /proc proc rw 0 0\nproc /cache/a.try1/tree/proc proc rw 0 0\nx /cache/a.try1/tree/proc/y x rw 0 0\nproc /cache/a.try12 x rw 0 0\n"
	got := mountsBelow(mounts, "/cache/a.try1")
	if want := []string{"/cache/a.try1/tree/proc/y", "/cache/a.try1/tree/proc"}; !slices.Equal(got, want) {
		t.Errorf("mountsBelow = %q, want %q", got, want)
	}
}

func TestRunKeepsOneCheapResult(t *testing.T) {
	store, _ := openStore(t, t.TempDir(), io.Discard)
	var dirs []string
	for _, st := range []Step{
		{Name: "layer", Inputs: []string{"1"}, Cheap: true}, {Name: "layer of another"}, {Name: "layer", Inputs: []string{"2"}, Cheap: true},
	} {
		st.Build = func(context.Context, string, io.Writer) error { return nil }
		dir, err := store.Run(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	for i, want := range []bool{false, true, true} {
		if _, err := os.Stat(dirs[i]); (err == nil) != want {
			t.Errorf("%s: %v", dirs[i], err)
		}
	}
}
