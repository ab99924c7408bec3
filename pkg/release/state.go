// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"fmt"
	"regexp"
	"slices"

	helmrelease "helm.sh/helm/v3/pkg/release"
)

// state is what the history of a release amounts to.
type state string

const (
	stateAbsent       state = "absent"       // no history
	stateDeployed     state = "deployed"     // the last revision is in force
	stateFailed       state = "failed"       // the last revision failed; an earlier one may be in force
	statePending      state = "pending"      // an operation was interrupted
	stateUnrecorded   state = "unrecorded"   // an operation was complete, only its record was not written
	stateUninstalling state = "uninstalling" // an uninstall was interrupted
	stateUninstalled  state = "uninstalled"  // somebody uninstalled and kept the history
	stateSuperseded   state = "superseded"   // no revision is marked as in force
)

// step is what to do next for a release to be changed.
type step string

const (
	stepInstall   step = "install"          // no history
	stepReinstall step = "reinstall"        // go on counting after a kept history
	stepUpgrade   step = "upgrade"          // any other history, failed first revisions included
	stepMark      step = "mark as failed"   // then look again
	stepRecord    step = "mark as deployed" // then look again
	stepPurge     step = "finish uninstall" // then look again
)

// situation is what determine finds.
type situation struct {
	state  state
	next   step
	reason string
	// inForce is the revision that serves; nil: nothing does.
	inForce *helmrelease.Release
	// last is the newest revision; nil: no history.
	last *helmrelease.Release
	// all are the revisions there are, oldest first.
	all []*helmrelease.Release
	// since holds the revisions from the one in force on, oldest first: all
	// whose objects may be in the cluster.
	since []*helmrelease.Release
}

// determine reads what state a release is in and what follows from it. It is
// pure; the revisions may come in any order.
func determine(history []*helmrelease.Release) situation {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b *helmrelease.Release) int { return a.Version - b.Version })
	if len(history) == 0 {
		return situation{state: stateAbsent, next: stepInstall, reason: "no revision"}
	}
	s := situation{last: history[len(history)-1], all: history, since: history}
	if i := inForce(history); i >= 0 {
		s.inForce, s.since = history[i], history[i:]
	}
	s.state, s.next = judge(s.last.Info.Status, history)
	s.reason = fmt.Sprintf("revision %d is %s", s.last.Version, s.last.Info.Status)
	if s.state == stateUninstalling || s.state == stateUninstalled {
		s.inForce = nil
	}
	return s
}

func judge(last helmrelease.Status, history []*helmrelease.Release) (state, step) {
	switch last {
	case helmrelease.StatusDeployed:
		return stateDeployed, stepUpgrade
	case helmrelease.StatusFailed:
		return stateFailed, stepUpgrade
	case helmrelease.StatusSuperseded:
		return stateSuperseded, stepUpgrade
	case helmrelease.StatusUninstalled:
		return stateUninstalled, stepReinstall
	case helmrelease.StatusUninstalling:
		return stateUninstalling, stepPurge
	case helmrelease.StatusPendingUpgrade, helmrelease.StatusPendingRollback:
		if completed(history) {
			return stateUnrecorded, stepRecord
		}
	}
	return statePending, stepMark
}

// completed tells whether an interrupted upgrade or rollback had succeeded: Helm
// marks the revision it replaces as superseded after the new one has become
// ready, and then writes the record of the new one. So between the two there is
// a superseded predecessor and nothing deployed.
func completed(history []*helmrelease.Release) bool {
	return !slices.ContainsFunc(history, isDeployed) && inForce(history) >= 0
}

// inForce returns the index of the revision that serves, or -1. Without one
// marked as deployed it is the newest that once was: Helm never supersedes a
// revision before its successor is good, so it is the last known to work.
func inForce(history []*helmrelease.Release) int {
	superseded := -1
	for i, r := range slices.Backward(history) {
		if isDeployed(r) {
			return i
		}
		if superseded < 0 && wasInForce(r) {
			superseded = i
		}
	}
	return superseded
}

// failure is how Helm, and we for it, begin the description of a revision that failed.
var failure = regexp.MustCompile(
	`^((Release|Upgrade|Rollback) "[^"]*" failed: |interrupted while .*; marked as failed )`)

// wasInForce tells whether a revision is or once was in force. Helm's rollback
// marks the revision that it leaves as superseded even if that had failed; its
// description still tells.
func wasInForce(r *helmrelease.Release) bool {
	switch r.Info.Status {
	case helmrelease.StatusDeployed:
		return true
	case helmrelease.StatusSuperseded:
		return !failure.MatchString(r.Info.Description)
	}
	return false
}
