// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A script of Azure ML registers its environment, and an inference config that only
// names it is served with what the name stands for.
func TestAnEnvironmentIsKnownByItsName(t *testing.T) {
	t.Parallel()
	s, dir := newSpace(t), t.TempDir()
	s.env = append(s.env, registryVar+"="+os.Getenv(registryVar)+"/"+s.namespace, environmentVar+"=")
	for file, text := range map[string]string{
		"sky/azureml_environment.json": fmt.Sprintf(`{"name": "sky", "version": "7", "environmentVariables": {"LEVEL": "high"},
			"docker": {"baseImage": %q}, "python": {"userManagedDependencies": true}}`, os.Getenv(environmentVar)),
		"score.py":    "import os\n\n\ndef init(): pass\n\n\ndef run(data): return os.environ[\"LEVEL\"]\n",
		"config.json": `{"entryScript": "score.py", "environment": {"name": "sky", "version": "7"}}`,
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	here := func(args ...string) (string, error) {
		c := s.command(t.Context(), args...)
		c.Dir = dir
		text, err := c.CombinedOutput()
		return strings.TrimSpace(string(text)), err
	}
	ids := []string{"", "", ""}
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			var err error
			if ids[i], err = here("environment", "register", "-d", "sky", "--only-show-errors", "--query", "id", "-o", "tsv"); err != nil {
				t.Errorf("register: %v\n%s", err, ids[i])
			}
		})
	}
	all.Wait()
	slices.Sort(ids)
	if got := strings.Join(ids, " "); got != "sky:7 sky:8 sky:9" {
		t.Errorf("three at once are %s", got)
	}
	for _, args := range [][]string{{"deploy", "level", "--inference-config", "config.json"},
		{"deploy", "level", "--entry-script", "score.py", "-e", "sky"}} {
		if text, err := here(args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, text)
		}
		if got := s.ok("invoke", "level", "-d", "{}").out; strings.TrimSpace(got) != `"high"` {
			t.Errorf("%v: answered %s", args, got)
		}
	}
}
