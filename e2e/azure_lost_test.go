// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
)

// endless are more looks than a test takes.
const endless = 1 << 20

// handOutUser has Azure hand out a kubeconfig of somebody who may edit one
// namespace, and returns the one before.
func (z *azure) handOutUser() []byte {
	z.t.Helper()
	owner, err := os.ReadFile(os.Getenv(kubeconfigVar))
	must(z.t, err)
	user, err := os.ReadFile(z.user)
	must(z.t, err)
	z.arm.HandOut(user)
	return owner
}

// Azure cannot be reached any more while it is at work: the run ends, and the next
// one goes on.
func TestAzureIsLostFromSight(t *testing.T) {
	t.Parallel()
	z := newAzure(t, armfake.Options{})
	z.arm.Fault(armfake.Fault{Match: armfake.Poll, Times: -1, DropBefore: true})
	z.fails(6, []string{"cannot be reached", "compute wait -n prod"}, z.create()...)
	z.once()
	if z.operation() == "" {
		t.Fatal("what is under way is not kept")
	}
	z.arm.Heal()
	attachable(t)
	if r := z.ok(z.create()...); r.out != "compute/prod created\n" || !strings.Contains(r.err, "going on with the create") {
		t.Errorf("answered %q and told %s", r.out, r.err)
	}
	z.once()
	z.attached()
}

// Whenever the process dies, Azure is asked for the cluster once, and the next run
// goes on.
func TestAzureGoesOnAfterAKill(t *testing.T) {
	for name, run := range map[string]struct {
		signal os.Signal
		code   int
		fault  armfake.Fault
		at     string
		says   string
		next   []string
	}{
		"killed while waiting, then wait": {syscall.SIGKILL, -1, armfake.Fault{Match: armfake.Poll, Delay: time.Minute},
			armfake.Poll, "", []string{"compute", "wait", "-n", "prod"}},
		"killed before the answer, then create": {syscall.SIGKILL, -1,
			armfake.Fault{Match: armfake.PutCluster, DropAfter: true, Delay: time.Minute}, armfake.PutCluster, "", nil},
		"stopped while waiting, then create": {os.Interrupt, 6, armfake.Fault{Match: armfake.Poll, Delay: time.Minute},
			armfake.Poll, "Azure goes on with it: wait for it with kubectl aml compute wait -n prod", nil},
		"stopped before the answer, then wait": {syscall.SIGTERM, 6,
			armfake.Fault{Match: armfake.PutCluster, DropAfter: true, Delay: time.Minute}, armfake.PutCluster,
			"the same command again goes on", []string{"compute", "wait", "-n", "prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			attachable(t)
			z := newAzure(t, armfake.Options{Polls: endless})
			z.arm.Fault(run.fault)
			u := z.start(run.at, 1, z.create()...)
			if code := u.signal(run.signal); code != run.code || !strings.Contains(u.err.String(), run.says) {
				t.Errorf("ended with %d, want %d, and told %s", code, run.code, &u.err)
			}
			if z.operation() == "" {
				t.Fatal("what is under way is not kept")
			}
			z.arm.Finish()
			next := run.next
			if next == nil {
				next = z.create()
			}
			if out := z.ok(next...).out; out != "compute/prod created\n" {
				t.Errorf("answered %q", out)
			}
			z.once()
			z.attached()
		})
	}
}

// Azure begins, and the answer gets lost: the cluster is known by its tag. One
// that somebody else has made meanwhile is not taken.
func TestAzureAnswerGetsLost(t *testing.T) {
	attachable(t)
	z := newAzure(t, armfake.Options{})
	z.arm.Fault(armfake.Fault{Match: armfake.PutCluster, DropAfter: true})
	if out := z.ok(z.create()...).out; out != "compute/prod created\n" {
		t.Errorf("answered %q", out)
	}
	z.once()
	z.attached()

	z.arm.Put("ml", "taken", map[string]string{"aml-operation": "22222222-2222-2222-2222-222222222222"})
	z.arm.Fault(armfake.Fault{Match: "^GET .*/managedClusters/taken$", Status: http.StatusNotFound,
		Body: `{"error":{"code":"ResourceNotFound","message":"It is not there."}}`})
	z.fails(3, []string{"taken in resource group ml exists already", "compute attach aks"},
		"compute", "create", "aks", "-n", "taken", "-g", "ml", "-l", "eastus")
	if state := z.arm.State("ml", "taken"); state != "Succeeded" || z.operation() != "" {
		t.Errorf("the cluster is %q, under way %q", state, z.operation())
	}
}

// The file of an operation says where a token is sent: one that was changed is
// refused before anything is sent.
func TestAzureChangedFileIsRefused(t *testing.T) {
	t.Parallel()
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(thief.Close)
	z := newAzure(t, armfake.Options{Polls: endless})
	z.ok(z.create("--no-wait")...)
	file := z.operation()
	whole, err := os.ReadFile(file)
	must(t, err)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v: %v", info.Mode(), err)
	}
	asked := len(z.arm.Requests())
	for name, change := range map[string]*strings.Replacer{
		"another host":     strings.NewReplacer(z.arm.URL+"/subscriptions", thief.URL+"/subscriptions"),
		"another endpoint": strings.NewReplacer(z.arm.URL, thief.URL),
		"another cluster":  strings.NewReplacer("managedClusters/prod", "managedClusters/other"),
		"another kind": strings.NewReplacer("ManagedClustersClientCreateOrUpdateResponse",
			"ManagedClustersClientDeleteResponse"),
		"one more field": strings.NewReplacer(`"version"`, `"extra": 1, "version"`),
		"cut off":        strings.NewReplacer("\n}\n", ""),
	} {
		text := change.Replace(string(whole))
		if text == string(whole) {
			t.Fatalf("%s: nothing was changed in %s", name, whole)
		}
		must(t, os.WriteFile(file, []byte(text), 0o600))
		for _, args := range [][]string{z.create(), {"compute", "wait", "-n", "prod", "-g", "ml"}} {
			z.fails(1, []string{"not to be trusted", file}, args...)
		}
	}
	for _, r := range z.arm.Requests()[asked:] {
		t.Errorf("asked %s %s", r.Method, r.Path)
	}
	if n := stolen.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
	must(t, os.WriteFile(file, whole, 0o600))
	z.once()
}

// A command ends when its time is over, though Azure says nothing.
func TestAzureIsSlow(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]armfake.Fault{
		"to begin":    {Match: armfake.PutCluster, DropAfter: true, Delay: time.Minute},
		"when looked": {Match: armfake.Poll, Times: -1, Delay: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newAzure(t, armfake.Options{Polls: endless})
			z.arm.Fault(slow)
			start := time.Now()
			z.fails(6, []string{"cluster prod"}, z.create("--timeout", "5s")...)
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("took %s", took)
			}
			z.once()
			z.arm.Heal()
			if r := z.ok(z.create("--no-wait")...); !strings.Contains(r.err, "going on with the create") {
				t.Errorf("told %s", r.err)
			}
			z.once()
		})
	}
}

// A delete of what is gone is none, and the context goes last.
func TestAzureDelete(t *testing.T) {
	attachable(t)
	z := newAzure(t, armfake.Options{})
	z.ok(z.create()...)
	z.attached()
	args := []string{"compute", "delete", "prod", "--yes"}
	z.arm.Fault(armfake.Fault{Match: armfake.DeleteCluster, Status: http.StatusConflict,
		Body: `{"code":"OperationNotAllowed","details":null,"message":"There is an in progress upgrade operation.","subcode":""}`})
	z.fails(3, []string{"in progress upgrade"}, args...)
	if !z.known() || z.arm.State("ml", "prod") != "Succeeded" {
		t.Fatal("the context is gone, or the cluster is")
	}
	z.arm.Fault(armfake.Fault{Match: armfake.Poll, Delay: time.Minute})
	u := z.start(armfake.Poll, z.arm.Count(armfake.Poll)+1, args...)
	if code := u.signal(os.Interrupt); code != 6 || !z.known() {
		t.Errorf("ended with %d: %s", code, &u.err)
	}
	if out := z.ok(args...).out; out != "compute/prod deleted\n" || z.known() || z.arm.State("ml", "prod") != "" {
		t.Errorf("answered %q, the cluster is %q", out, z.arm.State("ml", "prod"))
	}
	if n := z.arm.Count(armfake.DeleteCluster); n != 2 {
		t.Errorf("Azure was asked %d times", n)
	}
	z.fails(7, []string{"prod"}, args...)
}

// A cluster that was asked for and has gone by itself is deleted all the same.
func TestAzureDeleteOfWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]armfake.Fault{
		"no content": {Match: armfake.DeleteCluster, Status: http.StatusNoContent},
		"not found": {Match: armfake.DeleteCluster, Status: http.StatusNotFound,
			Body: `{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'ml' could not be found."}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newAzure(t, armfake.Options{})
			z.ok(z.create("--no-wait")...)
			z.arm.Fault(answer)
			if out := z.ok("compute", "delete", "prod", "--yes").out; out != "compute/prod deleted\n" || z.operation() != "" {
				t.Errorf("answered %q, under way %q", out, z.operation())
			}
		})
	}
}

// known tells whether the kubeconfig has a context prod.
func (z *azure) known() bool {
	z.t.Helper()
	return strings.Contains(z.kubectl("config", "get-contexts", "-o", "name"), "prod\n")
}
