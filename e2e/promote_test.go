// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A version whose init() takes 15 s becomes the default only when it is ready,
// and a promotion with retirement takes it back: no request is lost.
func TestANewDefaultAndAPromotionLoseNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	c := s.client()
	end := c.steady(s.url("echo"), 40, 8*time.Minute, bearer(s.key("echo")), "-body={}")

	r := s.echo("green", "slow", "--default")
	s.everyRouterRuns("echo", map[string]float64{"blue": 0, "green": 100})
	if !strings.Contains(r.err, "version green becomes the default as soon as it is ready") {
		t.Errorf("nothing was said of the second revision:\n%s", r.err)
	}
	if got := s.ok("get", "versions", "echo", "-o", "name").out; got != "version/blue\nversion/green\n" {
		t.Errorf("there are %s", got)
	}

	r = s.ok("promote", "echo", "blue", "--retire-after", "5s")
	if want := "endpoint/echo version/blue promoted\nendpoint/echo version/green retired\n"; r.out != want {
		t.Errorf("answered %s", r.out)
	}
	s.everyRouterRuns("echo", map[string]float64{"blue": 100})
	if got := s.ok("get", "versions", "echo", "-o", "name").out; got != "version/blue\n" {
		t.Errorf("there are %s", got)
	}

	load := end().allOK(t)
	if load.Versions["blue"] == 0 || load.Versions["green"] == 0 {
		t.Errorf("answered by %v", load.Versions)
	}
	t.Logf("%d requests, all answered 200, by %v", load.Sent, load.Versions)
}

func TestRestartingAndScalingLoseNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--replicas", "2")
	s.echo("green", "grass", "--traffic", "30")
	before := s.podNames("echo")
	c := s.client()
	end := c.steady(s.url("echo"), 40, 8*time.Minute, bearer(s.key("echo")), "-body={}")

	s.ok("restart", "echo", "--version-name", "blue", "--version-name", "green", "--routers")
	for _, pod := range s.podNames("echo") {
		if slices.Contains(before, pod) {
			t.Errorf("pod %s was not restarted", pod)
		}
	}
	for _, scale := range []string{"blue 1", "green 0", "green 1"} {
		version, replicas, _ := strings.Cut(scale, " ")
		s.ok("scale", "echo", "--version-name", version, "--replicas", replicas)
		d, err := s.admin.AppsV1().Deployments(s.namespace).Get(t.Context(), "echo-"+version, metav1.GetOptions{})
		must(t, err)
		if got := fmt.Sprint(*d.Spec.Replicas); got != replicas {
			t.Errorf("version %s has %s replicas, not %s", version, got, replicas)
		}
	}
	r := s.run("scale", "echo", "--version-name", "blue", "--replicas", "0")
	if r.code != 1 || !strings.Contains(r.err, `default version "blue" of endpoint "echo" has 0 replicas`) {
		t.Errorf("the default was scaled to 0: exit code %d\n%s", r.code, r.err)
	}

	load := end().allOK(t)
	t.Logf("%d requests, all answered 200, by %v", load.Sent, load.Versions)
}

// podNames are the pods of an endpoint that are not being deleted.
func (s *space) podNames(endpoint string) []string {
	s.t.Helper()
	list, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(),
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + endpoint})
	must(s.t, err)
	var names []string
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			names = append(names, pod.Name)
		}
	}
	return names
}

// The example runs as it stands.
func TestTheRolloutExampleWalksThrough(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder := filepath.Join(t.TempDir(), "rollout")
	must(t, os.CopyFS(folder, os.DirFS("../examples/rollout")))
	c := exec.CommandContext(t.Context(), "sh", "rollout.sh")
	c.Dir = folder
	c.Env = append(os.Environ(), kubeconfigVar+"="+s.kubeconfig, "HOME="+t.TempDir(),
		"PATH="+kubectlWithPlugin(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	const sky, grass = `{"model": "sky", "letters": 10}`, `{"model": "grass", "letters": 10}`
	want := strings.Join([]string{
		"endpoint/moods created", sky, "endpoint/moods configured", grass, "endpoint/moods traffic set",
		"endpoint/moods scaled", "endpoint/moods version/green promoted", "endpoint/moods version/blue retired", grass,
		"endpoint/moods restarted", "endpoint/moods version/green updated",
		"VERSION   DECLARED   EFFECTIVE   ROLE", "green     0%         100%        default", "endpoint/moods deleted", ""}, "\n")
	if out.String() != want {
		t.Errorf("the script answered\n%s\nwant\n%s\n%s", &out, want, &talk)
	}
	if left := s.objects(); len(left) > 0 {
		t.Errorf("the script left %v", left)
	}
}
