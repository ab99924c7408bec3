// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEitherKeyIsGoodAndTheKeysAreNowhereElse(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	deployed := s.echo("blue", "sky")
	keys := strings.Fields(s.ok("keys", "get", "echo", "-o", "name").out)
	if len(keys) != 2 || len(keys[0]) != 32 || keys[0] == keys[1] {
		t.Fatalf("%d keys of length %d", len(keys), len(keys[0]))
	}
	c, url := s.client(), s.url("echo")
	for _, key := range keys {
		c.send(url, 3, bearer(key), "-body={}").allOK(t)
	}
	for name, flags := range map[string][]string{
		"no key": nil, "a wrong key": {bearer("wrong")}, "half a key": {bearer(keys[0][:16])}, "an empty key": {bearer("")},
	} {
		if r := c.send(url, 3, append(flags, "-body={}")...); r.Status["401"] != 3 {
			t.Errorf("%s is answered %v", name, r.Status)
		}
	}
	for where, text := range s.readable(deployed) {
		for _, key := range keys {
			if strings.Contains(text, key) {
				t.Errorf("a key stands in %s", where)
			}
		}
	}
}

// readable is all text about the endpoint that others than the holders of its
// Secret may get to see.
func (s *space) readable(deployed said) map[string]string {
	s.t.Helper()
	found := map[string]string{"what deploy printed": deployed.out + deployed.err,
		"the rendered manifest": s.ok("render", "echo").out}
	for _, container := range []string{"scoring", "limiter", "router"} {
		found["the log of the "+container] = s.ok("logs", "echo", "-c", container, "--tail", "-1").out
	}
	maps, err := s.admin.CoreV1().ConfigMaps(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	must(s.t, err)
	for _, m := range maps.Items {
		found["configmap "+m.Name] = m.String()
	}
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	must(s.t, err)
	for _, p := range pods.Items {
		found["pod "+p.Name] = p.String()
	}
	secrets, err := s.admin.CoreV1().Secrets(s.namespace).List(s.t.Context(),
		metav1.ListOptions{LabelSelector: "owner=helm"})
	must(s.t, err)
	for _, secret := range secrets.Items {
		found["release record "+secret.Name] = string(unpackRelease(s.t, secret.Data["release"]))
	}
	processes, err := exec.CommandContext(s.t.Context(), "ps", "-eo", "args").Output()
	must(s.t, err)
	found["the process list"] = string(bytes.TrimSpace(processes))
	return found
}

func TestAReplicaTakesOneRequestAtATimeAndRefusesInTime(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.ok(append(s.echoArgs("blue", "sky"), "--deploy-config", "testdata/echo/narrow.json")...)
	c, url, key := s.client(), s.url("echo"), bearer(s.key("echo"))

	two := c.send(url, 2, key, "-clients", "2", `-body={"sleep": 0.8}`).allOK(t)
	if two.Millis < 1500 {
		t.Errorf("two requests of 0.8 s each took %d ms: the second one has to wait for the first", two.Millis)
	}
	many := c.send(url, 4, key, "-clients", "4", `-body={"sleep": 1.5}`)
	if many.Status["200"] != 1 || many.Status["503"] != 3 || many.Headers["Retry-After"] == "" {
		t.Errorf("four requests of 1.5 s with 1 s of queue: %v, headers %v", many.Status, many.Headers)
	}
	if many.Bodies["too many requests: no replica was free in time"] != 3 {
		t.Errorf("the refusals say %v", many.Bodies)
	}
	slow := c.send(url, 1, key, `-body={"sleep": 4}`)
	if slow.Status["504"] != 1 {
		t.Errorf("a request past its scoring timeout is answered %v", slow.Status)
	}
}

func TestTheModelsOwnErrorsAreToldFromTheEndpoints(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	c, url, key := s.client(), s.url("echo"), bearer(s.key("echo"))
	failed := c.send(url, 1, key, `-body={"fail": true}`)
	if failed.Status["502"] != 1 || failed.Headers["X-Ms-Run-Function-Failed"] == "" {
		t.Errorf("run() that raises is answered %v with headers %v", failed.Status, failed.Headers)
	}
	for method, want := range map[string]string{"PUT": "405", "DELETE": "405"} {
		if r := c.send(url, 1, key, "-method", method); r.Status[want] != 1 {
			t.Errorf("%s is answered %v", method, r.Status)
		}
	}
	if r := c.send(url+"/nowhere", 1, key); r.Status["404"] != 1 {
		t.Errorf("an unknown path is answered %v", r.Status)
	}
	direct := strings.Replace(s.podURL("blue"), ":9001", ":5001", 1)
	if r := c.send(direct, 1, "-body={}"); len(r.Errors) != 1 {
		t.Errorf("the scoring server itself can be reached past the limiter: %v", r)
	}
}

// podURL is the scoring address of a version's pod, at its limiter.
func (s *space) podURL(version string) string {
	s.t.Helper()
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{
		LabelSelector: "kubectl-aml/version=" + version})
	must(s.t, err)
	return "http://" + pods.Items[0].Status.PodIP + ":9001/score"
}
