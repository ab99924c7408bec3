// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gofrs/flock"
)

const (
	thisRun  = "aml-run-aaaaaaaa"
	otherRun = "aml-run-bbbbbbbb"
	overRun  = "aml-run-cccccccc"
)

func TestRunsAreUnderWayWhileTheyHoldTheirLock(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{thisRun, otherRun, overRun} {
		if err := os.MkdirAll(filepath.Join(folder, name, "left"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var held []*flock.Flock
	for _, name := range []string{thisRun, otherRun} {
		lock := flock.New(lockOf(filepath.Join(folder, name)))
		if _, err := lock.TryLock(); err != nil {
			t.Fatal(err)
		}
		held = append(held, lock)
	}
	for _, want := range [][]string{{thisRun, otherRun}, {otherRun}, nil} {
		got, err := underWay(folder)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("under way are %v, %v, want %v", got, err, want)
		}
		left, err := os.ReadDir(folder)
		if err != nil || len(left) != len(want) {
			t.Errorf("there are %v, %v", left, err)
		}
		if len(held) == 0 {
			return
		}
		if err := held[0].Close(); err != nil {
			t.Fatal(err)
		}
		held = held[1:]
	}
}

// A run that ends beside another that begins has no folder any more, but is seen.
func TestARunWithoutAFolderIsNotUnderWay(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink(filepath.Join(folder, "gone"), filepath.Join(folder, overRun)); err != nil {
		t.Fatal(err)
	}
	if got, err := underWay(folder); err != nil || len(got) > 0 {
		t.Errorf("under way are %v, %v", got, err)
	}
}

func TestARunIsOverIfItIsNotUnderWay(t *testing.T) {
	for name, want := range map[string]bool{
		thisRun: false, otherRun: false, overRun: true, "": false, "aml-run-cccccccc0": false, "aml": false, "aml-run-": false, "run-training": false,
	} {
		if got := (runs{thisRun, otherRun}).over(name); got != want {
			t.Errorf("%q is over: %v", name, got)
		}
	}
	if got := (runs{}).selector(); got != "kubectl-aml/run" {
		t.Errorf("selected by %s", got)
	}
	if got := (runs{thisRun, otherRun}).selector(); got != "kubectl-aml/run,kubectl-aml/run notin (aml-run-aaaaaaaa,aml-run-bbbbbbbb)" {
		t.Errorf("selected by %s", got)
	}
}
