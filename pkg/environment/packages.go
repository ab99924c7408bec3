// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// packages are what is installed, in one spelling and order for all equal lists.
type packages struct {
	channels, conda []string
	// options and requirements are the lines of pip's requirements file.
	options, requirements []string
	// own is set for packages that have a Python of their own; without, they are
	// put beside those of the base's Python.
	own bool
	// python and pip are the bounds of a conda file that needs no conda.
	python, pip []bound
	plain       bool
	// hashed is set when pip wants a hash for every package.
	hashed bool
}

func (p packages) installs() bool { return p.own || len(p.requirements) > 0 }

// packages reads the lists of the environment. The error names every text that
// is wrong.
func (e Environment) packages() (packages, error) {
	var p packages
	var wrong []error
	refuse := func(kind, text, why string) {
		wrong = append(wrong, fmt.Errorf("%s %q %s", kind, text, why))
	}
	pip := e.Pip
	if e.UserManaged {
		e.Channels, e.Conda, pip = nil, nil, nil
	}
	p.own = len(e.Conda) > 0 || len(pip) > 0
	var parsed []requirement
	for _, line := range pip {
		found, why := parseRequirement(line)
		if why != "" {
			refuse("pip package", line, why)
		}
		parsed = append(parsed, found...)
	}
	for _, r := range parsed {
		p.hashed = p.hashed || r.hashed
	}
	if e.Serving && !p.hashed {
		parsed = append(parsed, requirement{text: server})
	}
	p.options, p.requirements = sorted(parsed)
	for _, spec := range e.Conda {
		text, why := parseConda(spec)
		if why != "" {
			refuse("conda package", spec, why)
		}
		p.conda = append(p.conda, text)
	}
	slices.Sort(p.conda)
	p.conda = slices.Compact(p.conda)
	for _, channel := range e.Channels {
		text, why := parseChannel(channel)
		if why != "" {
			refuse("channel", channel, why)
		}
		if !slices.Contains(p.channels, text) {
			p.channels = append(p.channels, text)
		}
	}
	p.python, p.pip, p.plain = pipOnly(p.conda)
	return p, errors.Join(wrong...)
}

// sorted divides options and packages and sorts them, but for the options of
// which a later one goes before. Of indexes, that leaves the last one.
func sorted(all []requirement) (options, requirements []string) {
	var index, ordered []string
	for _, r := range all {
		switch {
		case strings.HasPrefix(r.text, "--index-url "):
			index = []string{r.text}
		case r.ordered:
			ordered = append(ordered, r.text)
		case r.option:
			options = append(options, r.text)
		default:
			requirements = append(requirements, r.text)
		}
	}
	slices.Sort(options)
	slices.Sort(requirements)
	return slices.Concat(index, slices.Compact(options), slices.Compact(ordered)), slices.Compact(requirements)
}
