// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The example is served from its Azure ML v1 files as they are, and both
// models answer exactly as they did where they were trained.
func TestTheExampleAnswersAsItsModelsDoWhereTheyWereTrained(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder, answers := trainExample(t)
	deploy := func(version, number string, more ...string) {
		c := s.command(t.Context(), append([]string{"deploy", "diabetes", "--version-name", version,
			"-m", "diabetes:" + number + "=models/" + version + "/model.pkl",
			"--inference-config", "inferenceconfig.json", "--deploy-config", "deploymentconfig.json"}, more...)...)
		c.Dir = folder
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("deploy %s: %v\n%s", version, err, text)
		}
	}
	deploy("blue", "1")
	deploy("green", "2", "--traffic", "20")

	sample, err := os.ReadFile(filepath.Join(folder, "sample.json"))
	must(t, err)
	r := s.client().send(s.url("diabetes"), 2000, bearer(s.key("diabetes")), "-clients", "1", "-body", string(sample)).allOK(t)
	r.nearly(t, "green", 20)
	for version, answer := range answers {
		if r.Bodies[answer] != r.Versions[version] {
			t.Errorf("%s answered %d times, but %d answers are %s: %v",
				version, r.Versions[version], r.Bodies[answer], answer, r.Bodies)
		}
	}
	for version, answer := range answers {
		got := s.ok("invoke", "diabetes", "--version", version, "-d", string(sample)).out
		if strings.TrimSpace(got) != answer {
			t.Errorf("pinned to %s, answered %s, want %s", version, got, answer)
		}
	}
}

// trainExample copies the example and trains its models in the environment
// image. It returns the copy and what each model answers to the sample.
func trainExample(t *testing.T) (folder string, answers map[string]string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "diabetes")
	must(t, os.CopyFS(folder, os.DirFS("../examples/diabetes")))
	train := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--label", runLabel(), "--network", "none", "--user", "0:0",
		"-v", folder+":/work", "-w", "/work", os.Getenv(environmentVar), "python", "train.py")
	out, err := train.Output()
	must(t, err)
	answers = map[string]string{}
	for line := range strings.Lines(string(out)) {
		version, answer, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || !json.Valid([]byte(answer)) {
			t.Fatalf("train.py printed %q", line)
		}
		answers[version] = answer
	}
	if len(answers) != 2 || answers["blue"] == answers["green"] {
		t.Fatalf("train.py printed %s", out)
	}
	return folder, answers
}
