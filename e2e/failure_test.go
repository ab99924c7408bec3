// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// A version that never gets ready, though it has a share of the traffic, costs
// no request and changes nothing.
func TestADeployThatFailsSaysWhyAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	before := s.ok("get", "versions", "echo", "-o", "json").out
	end := s.client().steady(s.url("echo"), 20, 10*time.Minute, bearer(s.key("echo")), "-body={}")
	missing := os.Getenv(registryVar) + "/aml/absent@sha256:" + strings.Repeat("0", 64)
	cases := []struct {
		name string
		args []string
		want []string
	}{
		{"a traceback from init", s.echoArgs("green", "broken", "--traffic", "50"),
			[]string{"version green failed: CrashLoopBackOff", "RuntimeError: the model file is damaged"}},
		{"a device that is not there", s.echoArgs("green", "grass", "--traffic", "50", "--accelerator", "nvidia:8",
			"--scheduling-grace", "3s"), []string{"version green failed: Unschedulable", "Insufficient nvidia.com/gpu"}},
		{"an image that the node cannot pull", s.echoArgs("green", "grass", "--traffic", "50",
			"--limiter-image", os.Getenv(registryVar)+"/aml/absent:1"), []string{"version green failed: ImagePullBackOff"}},
		{"an existing version, replaced", s.echoArgs("blue", "broken"), []string{"RuntimeError: the model file is damaged"}},
	}
	for _, c := range cases {
		r := s.run(c.args...)
		if r.code != 4 {
			t.Errorf("%s: exit code %d, want 4\n%s", c.name, r.code, r.err)
		}
		for _, want := range append(c.want, "rolled back to revision") {
			if !strings.Contains(r.err, want) {
				t.Errorf("%s: %q is not in\n%s", c.name, want, r.err)
			}
		}
		if after := s.ok("get", "versions", "echo", "-o", "json").out; after != before {
			t.Errorf("%s: the versions are\n%s\nand were\n%s", c.name, after, before)
		}
	}
	r := s.run("deploy", "echo", "--version-name", "green", "--traffic", "50", "--image", missing)
	if r.code != 1 || !strings.Contains(r.err, "absent") {
		t.Errorf("an image that is not in the registry: exit code %d\n%s", r.code, r.err)
	}
	report := end().allOK(t)
	if report.Versions["blue"] != report.Sent {
		t.Errorf("answers came from %v", report.Versions)
	}
	t.Logf("%d requests during five failing deploys, all answered 200 by blue", report.Sent)
}

// The kubelet cannot pull what a person with other rights can see: the image is
// there for the plugin and gone for the node.
func TestAnImageThatCannotBePulledIsTold(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	r := s.run(s.echoArgs("blue", "sky", "--limiter-image", os.Getenv(registryVar)+"/aml/absent:1")...)
	if r.code != 4 || !strings.Contains(r.err, "ImagePullBackOff") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
	s.until("nothing is left of a first deploy that failed",
		func(context.Context) (bool, error) { return len(s.objects()) == 0, nil })
}

func TestKillingThePluginInTheMiddleIsRecovered(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	cut := s.command(t.Context(), s.echoArgs("green", "grass", "--accelerator", "nvidia:8", "--scheduling-grace", "5m")...)
	must(t, cut.Start())
	s.until("the upgrade is under way", func(ctx context.Context) (bool, error) {
		d, err := s.admin.AppsV1().Deployments(s.namespace).List(ctx,
			metav1.ListOptions{LabelSelector: "kubectl-aml/version=green"})
		return err == nil && len(d.Items) == 1, err
	})
	must(t, cut.Process.Kill())
	_ = cut.Wait()
	r := s.echo("green", "grass", "--traffic", "30")
	if !strings.Contains(r.err, "cut off in the middle") {
		t.Errorf("nothing is said of the deploy that was killed:\n%s", r.err)
	}
	s.everyRouterRuns("echo", map[string]float64{"blue": 70, "green": 30})
}

func TestOfTwoDeploysAtOnceOneWinsAndTheOtherSaysWhoHoldsIt(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	first := s.command(t.Context(), s.echoArgs("blue", "slow")...)
	must(t, first.Start())
	s.until("the first one is at work", func(ctx context.Context) (bool, error) {
		leases, err := s.admin.CoordinationV1().Leases(s.namespace).List(ctx, metav1.ListOptions{})
		return err == nil && len(leases.Items) == 1, err
	})
	second := s.run(s.echoArgs("blue", "sky")...)
	if second.code != 1 || !strings.Contains(second.err, `endpoint "echo" is being changed by `) ||
		!strings.Contains(second.err, "@") {
		t.Errorf("the second one: exit code %d\n%s", second.code, second.err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the first one: %v", err)
	}
	if got := s.ok("invoke", "echo", "-d", "{}").out; got != "{\"model\": \"slow\"}\n" {
		t.Errorf("the endpoint answers %s", got)
	}
}

func TestInterruptingADeployPutsEverythingBack(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	before := s.ok("get", "versions", "echo", "-o", "json").out
	cut := s.command(t.Context(), s.echoArgs("green", "grass", "--accelerator", "nvidia:8", "--scheduling-grace", "5m")...)
	must(t, cut.Start())
	s.until("the upgrade is under way", func(ctx context.Context) (bool, error) {
		d, err := s.admin.AppsV1().Deployments(s.namespace).List(ctx,
			metav1.ListOptions{LabelSelector: "kubectl-aml/version=green"})
		return err == nil && len(d.Items) == 1, err
	})
	must(t, cut.Process.Signal(os.Interrupt))
	_ = cut.Wait()
	if after := s.ok("get", "versions", "echo", "-o", "json").out; after != before {
		t.Errorf("the versions are\n%s\nand were\n%s", after, before)
	}
}

func TestDeletingAnEndpointLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--purpose", "FastProd")
	s.echo("green", "grass", "--traffic", "10")
	s.ok("delete", "version", "echo", "green")
	s.everyRouterRuns("echo", map[string]float64{"blue": 100})
	s.ok("delete", "endpoint", "echo")
	s.until("all objects are gone", func(context.Context) (bool, error) { return len(s.objects()) == 0, nil })
}

// until waits for what has to come, at most two minutes.
func (s *space) until(what string, come func(context.Context) (bool, error)) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.t.Context(), 200*time.Millisecond, 2*time.Minute, true, come)
	if err != nil {
		s.t.Fatalf("%s: %v; there is %v", what, err, s.objects())
	}
}
