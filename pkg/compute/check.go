// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Verdict says how a check ended.
type Verdict string

// The verdicts.
const (
	// Good is as it should be.
	Good Verdict = "ok"
	// Warning serves, and something is lacking or will be.
	Warning Verdict = "warning"
	// Bad keeps endpoints from being deployed or from serving.
	Bad Verdict = "failed"
	// Unsure is what could not be looked at.
	Unsure Verdict = "unknown"
)

// Check is one thing that was looked at in a cluster. Its form is the one of -o
// json: fields are added, and never renamed.
type Check struct {
	// Check names what was looked at; the name never changes.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Finding is what was found, in one line.
	Finding string `json:"finding"`
	// Remedy is what to do; empty for Good.
	Remedy string `json:"remedy,omitempty"`
}

// Fact is what was read, or why it could not be.
type Fact[T any] struct {
	Value T
	Err   error
}

// Facts is all that is looked at in a cluster. Judge needs nothing else.
type Facts struct {
	Now time.Time
	// Wants says which versions of Kubernetes the chart is for, as Helm writes it.
	Wants string
	// Namespace is where the endpoints are.
	Namespace string
	// Known is what the kubeconfig says of the compute; nil if it says nothing.
	Known *Marker

	Record  Fact[Record]
	Version Fact[string]
	Nodes   Fact[[]corev1.Node]
	// Pods are those of all namespaces.
	Pods           Fact[[]corev1.Pod]
	StorageClasses Fact[[]storagev1.StorageClass]
	// Groups are the groups of the API that the cluster serves.
	Groups         Fact[[]string]
	GatewayClasses Fact[[]GatewayClass]
	// Metrics tells only whether there are any.
	Metrics   Fact[struct{}]
	Leftovers Fact[Left]
	// Rights are what the caller lacks.
	Rights Fact[Lacking]
	Space  Fact[*corev1.Namespace]
	// Ready says whether the record's issuer is; it is read if there is one.
	Ready Fact[bool]
	// Certificate is that of the record's Secret; it is read if there is one.
	Certificate Fact[Pair]
}

// Judge says of each fact whether endpoints can be deployed and served with it.
// The order of the checks is always the same.
func Judge(f Facts) []Check {
	checks := []Check{f.version(), f.attachment(), f.capacity(), f.free(), f.architecture(), f.gpus(),
		f.storage(), f.gateway(), f.keda(), f.metrics()}
	if f.Record.Value.TLS.Issuer != "" {
		checks = append(checks, f.certManager())
	}
	return append(checks, f.tls(), f.legacy(), f.rights(), f.security())
}

// Worst is the verdict that decides about all of the checks: one that failed,
// else one that is unknown, else a warning.
func Worst(checks []Check) Verdict {
	worst := Good
	order := map[Verdict]int{Good: 0, Warning: 1, Unsure: 2, Bad: 3}
	for _, c := range checks {
		if order[c.Verdict] > order[worst] {
			worst = c.Verdict
		}
	}
	return worst
}

func good(check, finding string) Check { return Check{Check: check, Verdict: Good, Finding: finding} }

func warned(check, finding, remedy string) Check { return Check{check, Warning, finding, remedy} }

func failed(check, finding, remedy string) Check { return Check{check, Bad, finding, remedy} }

// unsure is for what could not be looked at: right is what the caller needs for it.
func unsure(check, right string, err error) Check {
	if apierrors.IsForbidden(err) || isDenied(err) {
		return Check{check, Unsure, "not known: you may not " + right,
			"ask whoever runs the cluster for the right to " + right}
	}
	return Check{check, Unsure, "not known: " + told(err), "try again"}
}

// told is an error in one line.
func told(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the cluster does not answer in time"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
