// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import "fmt"

// SetMirror returns e with copies of exactly these percentages of the requests
// sent to versions that answer none themselves: a version that is not named
// gets no copies. It refuses versions that do not exist, and those that have
// traffic.
func (e Endpoint) SetMirror(percentages map[string]float64) (Endpoint, error) {
	next := e.Clone()
	for name := range percentages {
		if err := e.Has(name); err != nil {
			return e, err
		}
	}
	for name, v := range e.Versions {
		v.Mirror = percentages[name]
		next.Versions[name] = v
	}
	if err := next.Validate(); err != nil {
		return e, err
	}
	return next, nil
}

func (e Endpoint) validateMirror() error {
	for _, name := range e.VersionNames() {
		v := e.Versions[name]
		if err := checkPercentile(v.Mirror); err != nil {
			return fmt.Errorf("version %q: mirror: %w", name, err)
		}
		if v.Mirror > 0 && e.serves(name) {
			return fmt.Errorf("version %q answers requests itself and cannot get copies of them too: "+
				"set its traffic to 0 first, and let another be the default", name)
		}
	}
	return nil
}

// serves tells whether a version has a share of the requests.
func (e Endpoint) serves(name string) bool {
	return name == e.Default || units(e.Versions[name].Traffic) > 0
}

// unmirrored stops copies for versions that now get requests themselves.
func (e Endpoint) unmirrored() Endpoint {
	for name, v := range e.Versions {
		if v.Mirror > 0 && e.serves(name) {
			v.Mirror = 0
			e.Versions[name] = v
		}
	}
	return e
}
