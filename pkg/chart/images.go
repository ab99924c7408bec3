// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"fmt"
	"maps"
	"slices"

	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

// Images returns what the pods of m, those of hooks too, are made of: the images of
// their containers and of their image volumes. Each is there once, in the order of
// their names.
func (m Manifest) Images() ([]string, error) {
	all := slices.Clone(m.Objects)
	for _, hook := range m.Hooks {
		all = append(all, hook.Object)
	}
	found := map[string]bool{}
	for _, object := range all {
		var tree any
		if err := yaml.Unmarshal([]byte(object.Content), &tree); err != nil {
			return nil, fmt.Errorf("%s: %w", object.Template, err)
		}
		imagesIn(tree, found)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// imagesIn finds the specs of pods in a tree, wherever they are.
func imagesIn(tree any, found map[string]bool) {
	switch node := tree.(type) {
	case []any:
		for _, item := range node {
			imagesIn(item, found)
		}
	case map[string]any:
		for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
			for _, container := range mapsIn(node[list]) {
				note(container["image"], found)
			}
		}
		for _, volume := range mapsIn(node["volumes"]) {
			if image, ok := volume["image"].(map[string]any); ok {
				note(image["reference"], found)
			}
		}
		for _, below := range node {
			imagesIn(below, found)
		}
	}
}

// mapsIn are the maps in a list.
func mapsIn(list any) []map[string]any {
	items, _ := list.([]any)
	var out []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func note(image any, found map[string]bool) {
	if name, ok := image.(string); ok && name != "" {
		found[name] = true
	}
}

// WithImages returns v with each image that the table has called what it says
// there. Others stay.
func (v Values) WithImages(table map[string]string) Values {
	rename := func(images ...*string) {
		for _, image := range images {
			if name, ok := table[*image]; ok {
				*image = name
			}
		}
	}
	rename(&v.Router.Image, &v.Limiter.Image)
	v.Versions = maps.Clone(v.Versions)
	for name, version := range v.Versions {
		rename(&version.Image, &version.ModelImage)
		v.Versions[name] = version
	}
	return v
}

// Overlay returns v with what tree says in its place. Maps are merged, lists are
// replaced, and null takes a value back to the chart's. Keys that the chart does
// not have are refused.
func (v Values) Overlay(tree map[string]any) (Values, error) {
	base, err := v.Map()
	if err != nil {
		return v, err
	}
	var own map[string]any // the merge changes what it is given
	if err := decode(tree, &own); err != nil {
		return v, err
	}
	return ParseValues(chartutil.CoalesceTables(own, base))
}
