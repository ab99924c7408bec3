// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"slices"
)

// Placement is the part of a deployment that says which role a version plays.
// What is absent stays as it is.
type Placement struct {
	// Traffic is the version's percentile; nil keeps an existing version's and
	// gives a new one 0.
	Traffic *float64
	// Default makes the version the one that gets what nobody else claims.
	Default bool
	// Control makes the version the one that others are treatments of.
	Control bool
}

// Put returns e with version name set to v, new or replaced. The first version
// becomes the default. Put refuses a seventh version, a bad name and traffic
// that sums to more than 100; e itself never changes.
func (e Endpoint) Put(name string, v Version, p Placement) (Endpoint, error) {
	old, exists := e.Versions[name]
	if !exists && len(e.Versions) >= MaxVersions {
		return e, fmt.Errorf("endpoint %q has %d versions already, the most there can be: delete one first (%s)",
			e.Name, len(e.Versions), e.split())
	}
	next := e.Clone()
	v.Traffic, v.Mirror = old.Traffic, old.Mirror
	if p.Traffic != nil {
		v.Traffic = *p.Traffic
	}
	next.Versions[name] = v
	if p.Default || len(next.Versions) == 1 {
		next.Default = name
	}
	if p.Control {
		next.Control = name
	}
	return e.to(next)
}

// to returns next, which a transition made of e, with what follows from its
// split: who gets requests gets no copies, and callers stay with their version
// if they can. It refuses what is not valid.
func (e Endpoint) to(next Endpoint) (Endpoint, error) {
	next = next.unmirrored()
	if err := next.Validate(); err != nil {
		return e, err
	}
	next.Sticky.Ranges = next.assigned(e.Sticky.Ranges)
	return next, nil
}

// SetTraffic returns e with exactly these percentiles: a version that is not
// named gets 0, and the default version whatever is left over. It refuses
// versions that do not exist and percentiles that sum to more than 100.
func (e Endpoint) SetTraffic(percentiles map[string]float64) (Endpoint, error) {
	next := e.Clone()
	for name := range percentiles {
		if _, ok := e.Versions[name]; !ok {
			return e, e.unknown(name)
		}
	}
	for name, v := range e.Versions {
		v.Traffic = percentiles[name]
		next.Versions[name] = v
	}
	return e.to(next)
}

// Promote returns e with all its traffic on one version, which becomes the
// default: all percentiles are 0. relieved are the versions that had a share
// and have none now, by name. It refuses a version that does not exist.
func (e Endpoint) Promote(name string) (next Endpoint, relieved []string, err error) {
	if err := e.Has(name); err != nil {
		return e, nil, err
	}
	next = e.Clone()
	next.Default = name
	for other, v := range e.Versions {
		if other != name && e.weights()[other] > 0 {
			relieved = append(relieved, other)
		}
		v.Traffic = 0
		next.Versions[other] = v
	}
	slices.Sort(relieved)
	next, err = e.to(next)
	return next, relieved, err
}

// DeleteVersion returns e without a version. The default version can go when
// exactly one other is left, which then becomes the default; with more left a
// new default has to be named first. The last version cannot go: delete the
// endpoint.
func (e Endpoint) DeleteVersion(name string) (Endpoint, error) {
	if _, ok := e.Versions[name]; !ok {
		return e, e.unknown(name)
	}
	next := e.Clone()
	delete(next.Versions, name)
	switch left := next.VersionNames(); {
	case len(left) == 0:
		return e, fmt.Errorf("version %q is the last of endpoint %q: use kubectl aml delete endpoint %s",
			name, e.Name, e.Name)
	case e.Default == name && len(left) > 1:
		return e, fmt.Errorf("version %q is the default of endpoint %q: "+
			"make another the default first, with kubectl aml traffic set %s --default VERSION (one of %v)",
			name, e.Name, e.Name, left)
	case e.Default == name:
		next.Default = left[0]
	}
	if e.Control == name {
		next.Control = ""
	}
	return e.to(next)
}

// SetDefault returns e with another default version; percentiles stay.
func (e Endpoint) SetDefault(name string) (Endpoint, error) {
	if err := e.Has(name); err != nil {
		return e, err
	}
	next := e.Clone()
	next.Default = name
	return e.to(next)
}

// SetControl returns e with the version that the others are treatments of; an
// empty name for none. It is a label: no request goes elsewhere.
func (e Endpoint) SetControl(name string) (Endpoint, error) {
	if name != "" {
		if err := e.Has(name); err != nil {
			return e, err
		}
	}
	next := e.Clone()
	next.Control = name
	return e.to(next)
}

// Has returns nil when there is a version of the name, and otherwise an error
// that names those there are.
func (e Endpoint) Has(version string) error {
	if _, ok := e.Versions[version]; !ok {
		return e.unknown(version)
	}
	return nil
}
