// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/util/validation"
)

// byLabel is the label of a record that says who made the revision, as
// REVISION.HOLDER. A label outlives the failure of the revision, which a
// description does not. But Helm hands the labels of one revision on to the
// next, so it says which revision it is of.
const byLabel = "kubectl-aml/by"

// stepLabel is the label of a record of a revision that is only a step to
// another one. It holds the number of the revision, for the same reason.
const stepLabel = "kubectl-aml/step"

// sign writes into a new revision who makes it, and whether it is a step.
func sign(r *helmrelease.Release, holder string, step bool) {
	labels := maps.Clone(r.Labels) // in a rollback they are those of the earlier revision, too
	if labels == nil {
		labels = map[string]string{}
	}
	number := strconv.Itoa(r.Version)
	labels[byLabel] = labelOf(number + "." + holder)
	delete(labels, stepLabel)
	if step {
		labels[stepLabel] = number
	}
	r.Labels = labels
}

// isStep tells whether a revision was only made on the way to another one.
func isStep(r *helmrelease.Release) bool { return r.Labels[stepLabel] == strconv.Itoa(r.Version) }

// by tells who made a revision; empty if that is not known.
func by(r *helmrelease.Release) string {
	holder, ok := strings.CutPrefix(r.Labels[byLabel], strconv.Itoa(r.Version)+".")
	if !ok {
		return ""
	}
	return strings.ToValidUTF8(escaped.ReplaceAllStringFunc(holder, func(code string) string {
		b, err := strconv.ParseUint(code[1:], 16, 8)
		if err != nil {
			return code
		}
		return string([]byte{byte(b)})
	}), "")
}

var (
	notInLabels = regexp.MustCompile(`[^A-Za-z0-9.-]`)
	escaped     = regexp.MustCompile(`_[0-9A-F]{2}`)
)

// labelOf writes text so that a label takes it: _40 is an @. Too long a text
// loses its end.
func labelOf(text string) string {
	label := notInLabels.ReplaceAllStringFunc(text, func(char string) string {
		var code strings.Builder
		for _, b := range []byte(char) {
			fmt.Fprintf(&code, "_%02X", b)
		}
		return code.String()
	})
	if len(label) > validation.LabelValueMaxLength {
		label = label[:validation.LabelValueMaxLength]
		if i := strings.LastIndexByte(label, '_'); i > len(label)-len("_40") {
			label = label[:i] // half a character
		}
	}
	return strings.TrimRight(label, ".-") // a label ends with a letter or digit
}
