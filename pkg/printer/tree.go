// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// Tree writes an endpoint as a tree: the router and the versions, their
// ReplicaSets and pods, each with its state and, when that is not Ready, why.
func Tree(out io.Writer, t status.Tree) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "NAME\tSET\tACTUAL\tREADY\tSTATUS\n")
	line(w, "endpoint/"+t.Endpoint, "", "", "", brief(t.Verdict))
	branches := len(t.Versions) + 1
	workload(w, "router", "", "", t.Router, branches == 1)
	for i, v := range t.Versions {
		name := "version/" + v.Name
		if v.Default {
			name += " (default)"
		}
		workload(w, name, Percent(v.Effective), Percent(v.Actual), v.Workload, i == len(t.Versions)-1)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return notes(out, t)
}

func workload(w io.Writer, name, set, actual string, load status.Workload, last bool) {
	branch, under := "├── ", "│   "
	if last {
		branch, under = "└── ", "    "
	}
	line(w, branch+name, set, actual, fraction(int(load.Ready), int(load.Desired)), above(load.Verdict, len(load.Sets)))
	for i, s := range load.Sets {
		replicaSet(w, under, s, i == len(load.Sets)-1)
	}
}

func replicaSet(w io.Writer, indent string, s status.Set, last bool) {
	branch, under := "├── ", "│   "
	if last {
		branch, under = "└── ", "    "
	}
	count := fraction(int(s.Ready), int(s.Desired))
	line(w, indent+branch+"replicaset/"+s.Name, "", "", count, above(s.Verdict, len(s.Pods)))
	for i, p := range s.Pods {
		twig := "├── "
		if i == len(s.Pods)-1 {
			twig = "└── "
		}
		count = "0/1"
		if p.Ready {
			count = "1/1"
		}
		line(w, indent+under+twig+"pod/"+p.Name, "", "", count, full(p.Verdict))
	}
}

func line(w io.Writer, name, set, actual, ready, state string) {
	fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{name, set, actual, ready, state}, "\t"), "\t"))
}

// above is the state of what has children: the sentence stands with the child.
func above(v status.Verdict, children int) string {
	if children > 0 {
		return brief(v)
	}
	return full(v)
}

func brief(v status.Verdict) string {
	if v.State == status.Ready || v.Reason == "" {
		return string(v.State)
	}
	return string(v.State) + ": " + v.Reason
}

func full(v status.Verdict) string {
	if v.State == status.Ready || v.Message == "" {
		return brief(v)
	}
	return string(v.State) + ": " + v.Message
}

// notes are what does not decide a state but a reader should know.
func notes(out io.Writer, t status.Tree) error {
	var lines []string
	lines = append(lines, t.Notes...)
	for _, v := range t.Versions {
		for _, note := range v.Notes {
			lines = append(lines, v.Name+": "+note)
		}
	}
	for _, note := range t.Router.Notes {
		lines = append(lines, "router: "+note)
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "\nnote: %s\n", strings.Join(lines, "\nnote: "))
	return err
}
