// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Wrong files are refused with every finding at its line and column, and
// nothing is deployed.
func TestWrongFilesDeployNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	before := s.objects()
	cases, err := os.ReadDir("testdata/wrong")
	must(t, err)
	refused := 0
	for _, c := range cases {
		want, err := os.ReadFile(filepath.Join("testdata/wrong", c.Name(), "want.txt"))
		must(t, err)
		if strings.Contains(string(want), "is not valid Python") {
			continue // validate alone asks Python
		}
		refused++
		told, code := s.deployWrong(c.Name())
		for line := range strings.Lines(string(want)) {
			_, text, _ := strings.Cut(line, ": ")
			if !strings.Contains(told, text) {
				t.Errorf("%s: deploy does not tell %q:\n%s", c.Name(), text, told)
			}
		}
		if code != 1 {
			t.Errorf("%s: exit code %d:\n%s", c.Name(), code, told)
		}
	}
	if refused < 30 {
		t.Errorf("%d wrong files", refused)
	}
	if after := s.objects(); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("objects are %v and were %v", after, before)
	}
}

// deployWrong deploys files that are right but for those of one case. It
// returns what was told, with DIR for the folder.
func (s *space) deployWrong(name string) (told string, code int) {
	s.t.Helper()
	dir := s.t.TempDir()
	for _, from := range []string{"testdata/right", filepath.Join("testdata/wrong", name)} {
		if text, err := exec.CommandContext(s.t.Context(), "cp", "-R", from+"/.", dir).CombinedOutput(); err != nil {
			s.t.Fatalf("copy %s: %v\n%s", from, err, text)
		}
	}
	deployment := "deploymentconfig.json"
	if _, err := os.Stat(filepath.Join(dir, "deploymentconfig.yml")); err == nil {
		deployment = "deploymentconfig.yml"
	}
	c := s.command(s.t.Context(), "deploy", "wrong", "--inference-config", "inferenceconfig.json",
		"--deploy-config", deployment)
	c.Dir = dir
	text, err := c.CombinedOutput()
	if c.ProcessState == nil {
		s.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), dir, "DIR"), c.ProcessState.ExitCode()
}
