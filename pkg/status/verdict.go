// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package status tells how an endpoint is: what is ready, what is on its way
// and what will not come, each with a sentence that says why.
//
// The verdicts are pure: they take the objects of a Snapshot and the time, and
// ask nothing of anybody. Collect reads a Snapshot from a cluster, Wait looks
// until everything is ready or something has failed.
package status

// State is where an object stands.
type State string

// The states, from good to bad.
const (
	// Ready serves, in the shape that was asked for.
	Ready State = "Ready"
	// Progressing is not there yet and may still come without anybody's help.
	Progressing State = "Progressing"
	// Failed does not come unless somebody changes something.
	Failed State = "Failed"
)

// The reasons a verdict gives that are not Kubernetes' own words. All others
// (CrashLoopBackOff, Unschedulable, FailedCreate, …) are.
const (
	ReasonMissing     = "Missing"
	ReasonPaused      = "Paused"
	ReasonNotObserved = "NotObserved"
	ReasonNotReady    = "NotReady"
	ReasonScaledToNil = "ScaledToZero"
	ReasonTerminating = "Terminating"
	ReasonStarting    = "Starting"
	ReasonStartupTime = "StartupProbeFailed"
)

// Verdict is the state of one object with the reason for it.
type Verdict struct {
	State State `json:"state"`
	// Reason is one word in CamelCase, empty when ready.
	Reason string `json:"reason,omitempty"`
	// Message is a clause without a full stop, in lower case but for names.
	// It holds no times that pass, so that it stays the same while nothing
	// changes.
	Message string `json:"message,omitempty"`
	// Pod and Container are where the reason was found, if it was in one.
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	// Previous says that it is the container's previous instance whose log
	// tells about the reason.
	Previous bool `json:"-"`
	// HasLog says that the container has run and so may have a log.
	HasLog bool `json:"-"`
}

func (s State) rank() int {
	switch s {
	case Failed:
		return 2
	case Progressing:
		return 1
	default:
		return 0
	}
}

// worse tells whether v is in a worse state than other.
func (v Verdict) worse(other Verdict) bool { return v.State.rank() > other.State.rank() }

func progressing(reason, message string) Verdict {
	return Verdict{State: Progressing, Reason: reason, Message: message}
}

func failed(reason, message string) Verdict {
	return Verdict{State: Failed, Reason: reason, Message: message}
}
