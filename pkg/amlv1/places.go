// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "strings"

// Places knows where the fields of a file stand, for findings about what was
// read from it.
type Places struct{ source *source }

// Places are those of the file that c was read from.
func (c InferenceConfig) Places() Places { return Places{c.source} }

// Finding is an error about a field, or about the flag that went before it. What
// is in an environment that came from elsewhere stands nowhere in the file.
func (p Places) Finding(field, message string) Finding {
	if p.source == nil || strings.HasPrefix(field, "environment.") && p.source.places["environment"] == (place{}) {
		return Finding{Field: field, Message: message}
	}
	return p.source.finding(field, message)
}

// Warning is Finding for what does not stop anything.
func (p Places) Warning(field, message string) Finding {
	f := p.Finding(field, message)
	f.Warning = true
	return f
}
