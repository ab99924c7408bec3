// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// tsv is the one value that a command of Azure ML prints for a query, as scripts
// read it.
func (s *space) tsv(query string, args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(s.ok(append(args, "--query", query, "-o", "tsv")...).out)
}

// nodePort opens the endpoint to those outside of the cluster.
func (s *space) nodePort(name string) {
	s.t.Helper()
	_, err := s.admin.CoreV1().Services(s.namespace).Patch(s.t.Context(), name, types.MergePatchType,
		[]byte(`{"spec":{"type":"NodePort"}}`), metav1.PatchOptions{})
	must(s.t, err)
	uri, err := url.Parse(s.tsv("scoringUri", "service", "show", "-n", name))
	must(s.t, err)
	// The node opens the port a moment later.
	must(s.t, wait.PollUntilContextTimeout(s.t.Context(), 100*time.Millisecond, 30*time.Second, true,
		func(ctx context.Context) (bool, error) {
			connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", uri.Host)
			if err == nil {
				_ = connection.Close()
			}
			return err == nil, nil
		}))
}

// post calls an endpoint from this machine and returns the status and the body.
func (s *space) post(url, key, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(body))
	must(s.t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	must(s.t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	must(s.t, err)
	return response.StatusCode, strings.TrimSpace(string(answer))
}

func TestServiceIsReadAsAzUsersScriptIt(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("main", "sky")
	if r := s.ok("service", "show", "-n", "echo"); !strings.Contains(r.err, "only pods of the cluster reach its address") {
		t.Errorf("of an address inside of the cluster is said: %s", r.err)
	}
	s.nodePort("echo")
	uri := s.tsv("scoringUri", "service", "show", "-n", "echo", "-g", "group", "-w", "workspace")
	key := s.tsv("primaryKey", "service", "get-keys", "-n", "echo")
	if status, body := s.post(uri, key, "{}"); status != 200 || body != `{"model": "sky"}` {
		t.Fatalf("%s is answered %d: %s", uri, status, body)
	}
	for query, want := range map[string]string{
		"state": "Healthy", "computeType": "AKS", "workspaceName": s.namespace, "error": "",
		"[numReplicas,deploymentStatus.availableReplicas,containerResourceRequirements.memoryInGB]": "1\n1\n0.25",
	} {
		if got := s.tsv(query, "service", "show", "-n", "echo", "-v"); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
	want := "Name    State    ComputeType\n------  -------  -------------\necho    Healthy  AKS\n"
	query := "[].{name:name,state:state,computeType:computeType}"
	if r := s.ok("service", "list", "-c", "aks", "-o", "table", "--query", query); r.out != want {
		t.Errorf("got\n%swant\n%s", r.out, want)
	}
	if r := s.ok("service", "run", "-n", "echo", "-d", "{}"); r.out != "{\"model\": \"sky\"}\n" {
		t.Errorf("run prints %q", r.out)
	}
	if r := s.ok("service", "get-logs", "-n", "echo", "-l", "100"); !strings.Contains(r.out, "model sky is loaded") {
		t.Errorf("the log lacks what init() printed:\n%s", r.out)
	}
	s.deletedAsService("echo")
}

// deletedAsService deletes an endpoint, and once more what is not there any more.
func (s *space) deletedAsService(name string) {
	s.t.Helper()
	if r := s.ok("service", "delete", "-n", name); r.out != "{\n  \"name\": \""+name+"\"\n}\n" {
		s.t.Errorf("delete prints %q", r.out)
	}
	if left := s.objects(); len(left) > 0 {
		s.t.Errorf("left: %v", left)
	}
	if r := s.ok("service", "delete", "-n", name); !strings.Contains(r.err, "no service with name "+name) || r.out != "" {
		s.t.Errorf("deleted twice: %q, %q", r.out, r.err)
	}
}

func TestServiceOfSeveralVersionsIsAnEndpoint(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("main", "sky")
	s.echo("green", "grass", "--traffic", "20")
	s.nodePort("echo")
	show := []string{"endpoint", "realtime", "show", "-n", "echo"}
	for query, want := range map[string]string{
		"computeType": "AKSENDPOINT", "keys(versions) | sort(@) | join(' ', @)": "green main",
		"versions.green.trafficPercentile": "20", "versions.main.isDefault": "true", "versions.green.state": "Healthy",
	} {
		if got := s.tsv(query, show...); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
	uri := s.tsv("versions.green.scoringUri", show...)
	key := s.tsv("secondaryKey", "endpoint", "realtime", "get-keys", "-n", "echo")
	for range 5 {
		if status, body := s.post(uri, key, "{}"); status != 200 || body != `{"model": "grass"}` {
			t.Fatalf("%s is answered %d: %s", uri, status, body)
		}
	}
	s.ok("endpoint", "realtime", "delete-version", "-n", "echo", "--vn", "green")
	if got := s.tsv("keys(versions)", show...); got != "main" {
		t.Errorf("left: %s", got)
	}
}

func TestServiceKeysAreChangedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("main", "sky", "--purpose", "FastProd")
	s.nodePort("echo")
	c, url, uri := s.client(), s.url("echo"), s.tsv("scoringUri", "service", "show", "-n", "echo")
	secondary := s.tsv("secondaryKey", "service", "get-keys", "-n", "echo")
	end := c.steady(url, 60, 5*time.Minute, bearer(secondary), "-body={}")
	old, refused := s.key("echo"), 0
	var took []string
	for i := range 5 {
		args := []string{"service", "regen-key", "-n", "echo", "-k", "primary"}
		if i%2 == 1 {
			args = []string{"keys", "regenerate", "echo", "primary"}
		}
		r := s.ok(args...)
		took = append(took, r.took.Round(10*time.Millisecond).String())
		fresh := s.key("echo")
		if strings.Contains(r.err, fresh) || fresh == old {
			t.Fatalf("the key is the old one, or was told: %s", r.err)
		}
		c.send(url, 20, bearer(fresh), "-body={}").allOK(t)
		after := c.send(url, 50, bearer(old), "-fresh", "1", "-body={}")
		if refused += after.Status["401"]; after.Status["401"] != 50 {
			t.Fatalf("the old key is answered %v", after.Status)
		}
		if status, _ := s.post(uri, old, "{}"); status != 401 {
			t.Errorf("from outside the old key is answered %d", status)
		}
		old = fresh
	}
	load := end().allOK(t)
	t.Logf("5 changes of the primary key took %s; the old ones were refused %d of %d times, the secondary one 0 of %d",
		strings.Join(took, " "), refused, 250, load.Sent)
}

func TestServiceKeysSurviveTwoAtOnceAndAKill(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("main", "sky")
	c, url := s.client(), s.url("echo")
	before := strings.Fields(s.ok("keys", "get", "echo", "-o", "name").out)
	var both sync.WaitGroup
	results := make([]error, 2)
	for i, which := range []string{"primary", "secondary"} {
		command := s.command(t.Context(), "keys", "regenerate", "echo", which)
		both.Go(func() { results[i] = command.Run() })
	}
	both.Wait()
	must(t, errors.Join(results...))
	after := strings.Fields(s.ok("keys", "get", "echo", "-o", "name").out)
	for i := range 2 {
		if after[i] == before[i] {
			t.Errorf("key %d was not changed", i+1)
		}
		c.send(url, 5, bearer(after[i]), "-body={}").allOK(t)
		if r := c.send(url, 5, bearer(before[i]), "-body={}"); r.Status["401"] != 5 {
			t.Errorf("old key %d is answered %v", i+1, r.Status)
		}
	}
	for _, delay := range []time.Duration{50, 150, 300, 500, 800} {
		command := s.command(t.Context(), "keys", "regenerate", "echo", "primary")
		must(t, command.Start())
		time.Sleep(delay * time.Millisecond)
		_ = command.Process.Kill()
		var killed *exec.ExitError
		if err := command.Wait(); err != nil && !errors.As(err, &killed) {
			t.Fatal(err)
		}
		cut := s.key("echo")
		s.ok("keys", "regenerate", "echo", "primary")
		c.send(url, 5, bearer(s.key("echo")), "-body={}").allOK(t)
		for _, stale := range []string{cut, after[0]} {
			if r := c.send(url, 5, bearer(stale), "-body={}"); r.Status["401"] != 5 {
				t.Errorf("killed after %d ms, a key from before is answered %v", delay, r.Status)
			}
		}
		c.send(url, 5, bearer(after[1]), "-body={}").allOK(t)
	}
}
