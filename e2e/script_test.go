// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A script that was written for Azure ML v1 runs with "az ml" replaced by
// "kubectl aml" and nothing else changed.
func TestAScriptForAzureMLRunsWithTheNameOfTheToolReplaced(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder := filepath.Join(t.TempDir(), "script")
	must(t, os.CopyFS(folder, os.DirFS("../examples/azureml-v1")))
	script, err := os.ReadFile(filepath.Join(folder, "deploy.sh"))
	must(t, err)

	c := exec.CommandContext(t.Context(), "sh", "-s")
	c.Dir, c.Stdin = folder, strings.NewReader(strings.ReplaceAll(string(script), "az ml", "kubectl aml"))
	c.Env = append(os.Environ(), kubeconfigVar+"="+s.kubeconfig, "HOME="+t.TempDir(),
		"PATH="+kubectlWithPlugin(t)+string(os.PathListSeparator)+os.Getenv("PATH"),
		// The registry is the namespace's own, so that versions count from 1.
		registryVar+"="+os.Getenv(registryVar)+"/"+s.namespace)
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	t.Logf("the script wrote, beside its answers:\n%s", &talk)
	// Commands that answer with a whole object are left out: their fields have tests of their own.
	rest := out.String()
	for _, want := range []string{
		"sentiment:1\ttrial\n",
		`200 {"model": "plain", "letters": 10}` + "\n",
		`{"model": "plain", "letters": 10}` + "\n",
		"Healthy\t2\tvision\tfinal\tis it good or bad?\tAKS\ttrue\n",
		`200 {"model": "better", "letters": 10}` + "\n",
		"401 missing or wrong key",
		`200 {"model": "better", "letters": 10}` + "\n",
		"moods\n",
		"0\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the script did not print %q after what comes before:\n%s", want, &out)
		}
		rest = after
	}
	if rest != "" {
		t.Errorf("the script went on with %q", rest)
	}
	if left := s.objects(); len(left) > 0 {
		t.Errorf("the script left %v", left)
	}
}

// kubectlWithPlugin is a folder with the plugin, where kubectl finds it.
func kubectlWithPlugin(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	must(t, os.Symlink(os.Getenv(pluginVar), filepath.Join(folder, "kubectl-aml")))
	return folder
}
