// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"strings"
	"testing"
)

// promoted is a world where green is the default, and blue, which was, is gone.
// Of the revisions, 1 has blue, 2 is a step, 3 has green as the default.
func promoted(t *testing.T) *world {
	t.Helper()
	w, _ := withPods(t)
	w.mustDeploy("blue")
	w.fine(w.deploy("green", "--default"))
	w.mustHave("deploy blue", "deploy green", "make green the default")
	return w
}

// A version that became the default in two revisions came with one command.
func TestUndoTakesBackBothHalvesOfADeploy(t *testing.T) {
	t.Parallel()
	w := promoted(t)
	r := w.fine(w.run("undo", "diabetes"))
	if want := "endpoint/diabetes rolled back to revision 1 (revision 4)\n"; r.out != want {
		t.Errorf("got %s, want %s", r.out, want)
	}
}

func TestADefaultThatIsGoneComesBackFirst(t *testing.T) {
	t.Parallel()
	w := promoted(t)
	w.fine(w.run("delete", "version", "diabetes", "blue"))
	ctx, cancel := context.WithCancel(t.Context())
	w.ctx = ctx
	w.when("router: 1 of 1 replicas ready", 2, cancel)
	r := w.run("undo", "diabetes", "--to-revision", "1")
	w.ctx = nil
	want := "error: version blue is there again and not the default yet, kubectl aml undo diabetes --to-revision 1 " +
		"does the rest: interrupted; rolled back to revision 5\n"
	if r.code == 0 || !strings.HasSuffix(r.err, want) {
		t.Fatalf("exit code %d\n%s\nwant %s", r.code, r.err, want)
	}
	w.fine(w.run("undo", "diabetes", "--to-revision", "1"))
	w.mustHave("deploy blue", "deploy green", "make green the default", "delete version blue",
		"undo to revision 1: version blue first", "Rollback to 5", "undo to revision 1")
	if r := w.fine(w.run("undo", "diabetes")); !strings.HasPrefix(r.out, "endpoint/diabetes rolled back to revision 4 ") {
		t.Errorf("got %s", r.out)
	}
}
