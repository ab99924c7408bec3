// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
)

// versionDefaults is the file from which the templates fill in what a version
// leaves out.
const versionDefaults = "inference/files/version-defaults.yaml"

// ParseValues reads the values of a release, and fills in what they leave out
// as the chart does. It refuses keys it does not know, because writing the
// values back would lose them: they come from a newer chart or from a typing
// error.
func ParseValues(config map[string]any) (Values, error) {
	c, err := Load()
	if err != nil {
		return Values{}, err
	}
	whole, err := chartutil.CoalesceValues(c, config)
	if err != nil {
		return Values{}, fmt.Errorf("the values do not fit the chart: %w", err)
	}
	defaults, err := readVersionDefaults()
	if err != nil {
		return Values{}, err
	}
	if versions, ok := whole["versions"].(map[string]any); ok {
		for name, given := range versions {
			version, ok := given.(map[string]any)
			if !ok {
				return Values{}, fmt.Errorf("the values do not fit the chart: versions.%s is not a map", name)
			}
			versions[name] = chartutil.CoalesceTables(version, defaults())
		}
	}
	var v Values
	return v, decode(whole, &v)
}

// FreshVersion returns the values of a version that says nothing of itself.
func FreshVersion() (VersionValues, error) {
	defaults, err := readVersionDefaults()
	if err != nil {
		return VersionValues{}, err
	}
	var v VersionValues
	return v, decode(defaults(), &v)
}

// Map returns v as Helm takes and keeps it: numbers are float64, as in a
// release that was read back.
func (v Values) Map() (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(text, &m)
}

// AuthSlot returns the router's auth slot for keys, with places for them.
func AuthSlot() (string, error) {
	text, err := charts.FS.ReadFile("inference/files/auth-key.yaml")
	return string(text), err
}

// readVersionDefaults returns a function, because Helm's merge changes the
// maps it is given.
func readVersionDefaults() (func() map[string]any, error) {
	text, err := charts.FS.ReadFile(versionDefaults)
	if err != nil {
		return nil, err
	}
	var once map[string]any
	if err := yaml.Unmarshal(text, &once); err != nil {
		return nil, fmt.Errorf("%s: %w", versionDefaults, err)
	}
	return func() map[string]any {
		var fresh map[string]any
		_ = yaml.Unmarshal(text, &fresh) // it has just been read without an error
		return fresh
	}, nil
}

// decode reads a tree of values into a struct that knows all its keys.
func decode(tree map[string]any, into any) error {
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(into); err != nil {
		return fmt.Errorf("values: %s: this kubectl-aml does not know them, use a newer one or correct them",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
