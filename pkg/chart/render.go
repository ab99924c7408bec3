// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"

	"github.com/kubectl-aml/kubectl-aml/charts"
)

// chartName is the folder of the chart in charts.FS, and its name.
const chartName = "inference"

// DefaultKubeVersion is the Kubernetes version that Render renders for when it
// is told none. Helm's own default is older than the chart's kubeVersion.
const DefaultKubeVersion = "v1.37.0"

// RenderOptions says for which release and which cluster a chart is rendered.
type RenderOptions struct {
	// Name is the name of the release: the endpoint.
	Name string
	// Namespace is that of the release; empty means "default".
	Namespace string
	// KubeVersion is the cluster's version, such as "v1.36.1"; empty means
	// DefaultKubeVersion.
	KubeVersion string
}

// Object is one object that a template made.
type Object struct {
	// Template is the file that made it, relative to the chart.
	Template string
	// Content is one YAML document without the leading "---". It ends with a line feed, which the last line of a file
	// in a ConfigMap needs.
	Content string
}

// Hook is an object that Helm makes at its events instead of keeping it.
type Hook struct {
	Object
	// Events are the names of the events, as in the annotation helm.sh/hook.
	Events []string
}

// Manifest is a rendered chart.
type Manifest struct {
	// Objects are in the order in which Helm makes them.
	Objects []Object
	// Hooks are apart: no revision's manifest holds them.
	Hooks []Hook
	// Notes is what Helm prints after an installation.
	Notes string
}

// String returns the objects as one stream of YAML documents, each with the
// template that it comes from, as "helm template --no-hooks" prints them.
func (m Manifest) String() string {
	var out strings.Builder
	for _, object := range m.Objects {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s", object.Template, object.Content)
	}
	return out.String()
}

// Load reads the chart that is built into the program.
func Load() (*helmchart.Chart, error) {
	var files []*loader.BufferedFile
	walk := func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := charts.FS.ReadFile(name)
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(name, chartName+"/")
		files = append(files, &loader.BufferedFile{Name: relative, Data: content})
		return nil
	}
	if err := fs.WalkDir(charts.FS, chartName, walk); err != nil {
		return nil, fmt.Errorf("read the built-in chart %s: %w", chartName, err)
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the built-in chart %s: %w", chartName, err)
	}
	return loaded, nil
}

// Render renders the built-in chart without a cluster. It refuses what a real
// installation refuses: values that break the schema or a rule of the chart,
// all of them at once, and a Kubernetes that is too old.
func Render(values map[string]any, options RenderOptions) (Manifest, error) {
	loaded, err := Load()
	if err != nil {
		return Manifest{}, err
	}
	capabilities, err := capabilitiesOf(loaded, options.KubeVersion)
	if err != nil {
		return Manifest{}, err
	}
	release := chartutil.ReleaseOptions{
		Name: options.Name, Namespace: options.Namespace, Revision: 1, IsInstall: true,
	}
	if release.Namespace == "" {
		release.Namespace = "default"
	}
	renderValues, err := chartutil.ToRenderValuesWithSchemaValidation(loaded, values, release, capabilities, false)
	if err != nil {
		return Manifest{}, fmt.Errorf("check the values of endpoint %s: %w", options.Name, schemaFindings(err))
	}
	files, err := engine.Render(loaded, renderValues)
	if err != nil {
		return Manifest{}, fmt.Errorf("render endpoint %s: %w", options.Name, plain(err))
	}
	return sorted(files, capabilities)
}

// schemaFindings makes one line of what the schema says: Helm's form takes
// four, of which the last tell what is wrong.
func schemaFindings(err error) error {
	var findings []string
	for line := range strings.Lines(err.Error()) {
		if finding, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			findings = append(findings, finding)
		}
	}
	if len(findings) == 0 {
		return err
	}
	return errors.New(strings.Join(findings, "; "))
}

// capabilitiesOf checks version against the chart's kubeVersion and returns
// what templates may ask about the cluster.
func capabilitiesOf(loaded *helmchart.Chart, version string) (*chartutil.Capabilities, error) {
	if version == "" {
		version = DefaultKubeVersion
	}
	kubeVersion, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("kubernetes version %q: write it like v1.37.0: %w", version, err)
	}
	if needed := loaded.Metadata.KubeVersion; !chartutil.IsCompatibleRange(needed, kubeVersion.String()) {
		return nil, fmt.Errorf("kubernetes %s is too old for the chart: it needs %s", kubeVersion, needed)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kubeVersion
	return capabilities, nil
}

// sorted parts what the templates made into notes, hooks and objects.
func sorted(files map[string]string, capabilities *chartutil.Capabilities) (Manifest, error) {
	var manifest Manifest
	notes := path.Join(chartName, "templates", "NOTES.txt")
	manifest.Notes = strings.TrimSpace(files[notes])
	delete(files, notes)
	for name := range files {
		if strings.HasPrefix(path.Base(name), "_") {
			delete(files, name)
		}
	}
	hooks, objects, err := releaseutil.SortManifests(files, capabilities.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return Manifest{}, fmt.Errorf("sort the rendered objects: %w", err)
	}
	for _, hook := range hooks {
		events := make([]string, 0, len(hook.Events))
		for _, event := range hook.Events {
			events = append(events, event.String())
		}
		manifest.Hooks = append(manifest.Hooks, Hook{Object: object(hook.Path, hook.Manifest), Events: events})
	}
	for _, rendered := range objects {
		manifest.Objects = append(manifest.Objects, object(rendered.Name, rendered.Content))
	}
	return manifest, nil
}

func object(template, content string) Object {
	return Object{Template: template, Content: strings.TrimSpace(content) + "\n"}
}

// plain takes the template's position away from what the chart itself says
// with "fail": a caller cannot act on it. Other errors stay as they are.
func plain(err error) error {
	const mark = "execution error at ("
	if rest, found := strings.CutPrefix(err.Error(), mark); found {
		if _, said, found := strings.Cut(rest, "): "); found {
			return errors.New(said)
		}
	}
	return err
}
