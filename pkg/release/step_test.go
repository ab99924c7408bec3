// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"fmt"
	"testing"
)

// Who goes back and back again wants what was there, and not half of it.
func TestUndoPassesWhatWasOnlyAStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	step := ApplyOptions{Step: func() bool { return true }}
	w.mustApply(versions("blue=a:1"))
	w.mustApply(versions("green=b:1"))
	if _, err := w.apply(versions("green=b:1", "blue=a:1"), step); err != nil { // 3
		t.Fatal(err)
	}
	if _, err := w.undo(1, ApplyOptions{Ready: notReady}); err == nil { // 4, and back to the step: 5
		t.Fatal("no error")
	}
	w.mustUndo(1) // 6
	if result := w.mustUndo(0); result.Earlier != 2 || result.Release.Revision != 7 {
		t.Errorf("undone to %d in %d", result.Earlier, result.Release.Revision)
	}
	// Who names it gets it, and then it is no step.
	w.mustUndo(3)
	w.mustUndo(1)
	if result := w.mustUndo(0); result.Earlier != 8 {
		t.Errorf("undone to %d", result.Earlier)
	}
}

// With ten revisions kept, the next one would push out the oldest.
func TestARevisionToGoBackToIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range maxHistory {
		w.mustApply(versions(fmt.Sprintf("blue=a:%d", i+1)))
	}
	if _, err := w.apply(versions("blue=b:1"), ApplyOptions{Keep: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := w.undo(1, ApplyOptions{Ready: notReady})
		if err == nil {
			t.Fatal("no error")
		}
	}
	if result := w.mustUndo(1); result.Earlier != 1 || w.image("blue") != "a:1" {
		t.Errorf("undone to %d, image is %s", result.Earlier, w.image("blue"))
	}
	w.mustApply(versions("blue=c:1"))
	if all := w.revisions(); len(all) != maxHistory || all[1].Revision == 1 {
		t.Errorf("%d revisions are kept, the first is %+v", len(all), all[1])
	}
}
