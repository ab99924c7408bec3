// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// A packed image and the one that docker build makes of the folder answer the same.
func TestAPackedImageAndABuiltOneAnswerTheSame(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pack := func(args ...string) string {
		c := s.command(t.Context(), append([]string{"model", "package", "-m", "echo=score.py", "-es", "score.py",
			"--query", "location", "-o", "tsv"}, args...)...)
		c.Dir = "testdata/echo"
		out, err := c.Output()
		must(t, err)
		return strings.TrimSpace(string(out))
	}
	folder := pack("--output-path", filepath.Join(t.TempDir(), "context"))
	built := strings.TrimSpace(docker(t, "build", "--quiet", "--label", runLabel(), folder))
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", built).Run() })
	packed := pack("--image-name", s.namespace+"/echo")
	docker(t, "pull", "--quiet", packed)
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", packed).Run() })

	want, got := answerOf(t, built), answerOf(t, packed)
	if got != want || !strings.HasPrefix(got, "200 ") {
		t.Errorf("the packed image answers %q, the built one %q", got, want)
	}
}

// runLabel marks what the engine has of this run.
func runLabel() string { return cluster.RunLabel + "=" + os.Getenv(runVar) }

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
	must(t, err)
	return string(out)
}

// answerOf runs an image without a network and returns what its server answers.
func answerOf(t *testing.T, image string) string {
	t.Helper()
	id := strings.TrimSpace(docker(t, "run", "--detach", "--rm", "--label", runLabel(), "--network", "none", image))
	t.Cleanup(func() { _ = exec.Command("docker", "kill", id).Run() })
	return docker(t, "exec", id, "python", "-c", `
import time, urllib.error, urllib.request
for left in range(300, -1, -1):
    try:
        r = urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:5001/score", b'{"data": [1]}', {"Content-Type": "application/json"}))
        print(r.status, r.read().decode())
        break
    except urllib.error.HTTPError as e:
        print(e.code, e.read().decode())
        break
    except urllib.error.URLError:
        if not left:
            raise
        time.sleep(0.1)
`)
}
