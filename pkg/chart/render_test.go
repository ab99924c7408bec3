// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// cases are the values files under testdata.
func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases under testdata: %v", err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".values.yaml")
	}
	return files
}

// valuesOf reads the values of a case.
func valuesOf(t *testing.T, name string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(content, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// renderCase renders a case as the endpoint "sentiment" in the namespace "ml".
func renderCase(t *testing.T, name string) chart.Manifest {
	t.Helper()
	endpoint := "sentiment"
	if name == "six-versions" {
		endpoint = "an-endpoint-with-a-name-so-long1"
	}
	manifest, err := chart.Render(valuesOf(t, name), chart.RenderOptions{Name: endpoint, Namespace: "ml"})
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

// randomKeys are the keys that the chart draws anew at each rendering.
var randomKeys = regexp.MustCompile(`(primaryKey: |secondaryKey: |Bearer )[A-Za-z0-9]{32}\b`)

func TestRender(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			manifest := renderCase(t, name)
			got := manifest.String()
			for _, hook := range manifest.Hooks {
				got += "---\n# Hook: " + strings.Join(hook.Events, ",") + "\n# Source: " + hook.Template +
					"\n" + hook.Content
			}
			got += "---\n# Notes\n# " + strings.ReplaceAll(manifest.Notes, "\n", "\n# ") + "\n"
			got = randomKeys.ReplaceAllString(got, "${1}RANDOM")
			golden.Assert(t, filepath.Join("testdata", name+".golden.yaml"), got)
		})
	}
}

func TestRenderDrawsTwoKeysOf32Characters(t *testing.T) {
	first, second := renderCase(t, "one-version"), renderCase(t, "one-version")
	keys := map[string]bool{}
	for _, manifest := range []chart.Manifest{first, second} {
		for _, hook := range manifest.Hooks {
			for _, found := range regexp.MustCompile(`aryKey: (\S+)`).FindAllStringSubmatch(hook.Content, -1) {
				if len(found[1]) != 32 {
					t.Errorf("key of %d characters, want 32", len(found[1]))
				}
				keys[found[1]] = true
			}
		}
	}
	if len(keys) != 4 {
		t.Errorf("two renderings drew %d different keys, want 4", len(keys))
	}
}

func TestRenderKeepsKeysOutOfTheManifest(t *testing.T) {
	for _, name := range cases(t) {
		if manifest := renderCase(t, name); strings.Contains(manifest.String(), "kind: Secret") {
			t.Errorf("%s: the manifest holds a Secret: a rollback would bring its keys back", name)
		}
	}
}

func TestRenderRefusesOldKubernetes(t *testing.T) {
	options := chart.RenderOptions{Name: "sentiment", KubeVersion: "v1.29.4"}
	_, err := chart.Render(valuesOf(t, "one-version"), options)
	const want = "kubernetes v1.29.4 is too old for the chart: it needs >=1.30.0-0"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRenderTakesProvidersBuildsOfKubernetes(t *testing.T) {
	for _, version := range []string{"v1.30.0", "v1.31.2-gke.1", "v1.33.4-eks-1", "1.37.2"} {
		options := chart.RenderOptions{Name: "sentiment", KubeVersion: version}
		if _, err := chart.Render(valuesOf(t, "one-version"), options); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestConfigHashFollowsWhatTheRoutersRead(t *testing.T) {
	hash := func(values map[string]any) string {
		manifest, err := chart.Render(values, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`kubectl-aml/config-hash: "([0-9a-f]{16})"`).FindStringSubmatch(manifest.String())
		if found == nil {
			t.Fatal("no hash on the routers' ConfigMap")
		}
		if !strings.Contains(manifest.String(), `{\"hash\":\"`+found[1]+`\",`) {
			t.Errorf("/-/config does not answer with %s", found[1])
		}
		return found[1]
	}
	version := func(values map[string]any, name string) map[string]any {
		return values["versions"].(map[string]any)[name].(map[string]any)
	}
	before := hash(valuesOf(t, "split"))

	weights := valuesOf(t, "split")
	version(weights, "green")["traffic"] = 10.0626
	if hash(weights) == before {
		t.Error("other weights have the same hash")
	}
	scaled := valuesOf(t, "split")
	version(scaled, "green")["replicas"] = 7
	if hash(scaled) != before {
		t.Error("another number of replicas has another hash, although the routers do not see it")
	}
}
