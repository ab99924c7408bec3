// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What the API server makes of the objects is no difference, whatever the
// endpoint has.
func TestAFreshEndpointHasNoDifference(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--deploy-config", "testdata/echo/autoscaled.json",
		"--purpose", "FastProd", "--tag", "team=a", "--description", "all of it", "--service-type", "NodePort")
	args := s.echoArgs("green", "grass", "--traffic", "12.5", "--control", "--accelerator", "nvidia")
	s.ok(args...)
	s.noDifference("diff", "echo")
	args[0] = "diff"
	s.noDifference(args...)
	s.noDifference("diff", "echo", "--revision", "2")
	if r := s.ok("status", "echo"); strings.Contains(r.out, "revision") {
		t.Errorf("status tells of drift:\n%s", r.out)
	}
}

func (s *space) noDifference(args ...string) {
	s.t.Helper()
	if r := s.run(args...); r.code != 0 || r.out != "" {
		s.t.Errorf("kubectl aml %s ended with %d:\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
}

// differs expects a difference that holds all the texts, and no key.
func (s *space) differs(args []string, texts ...string) {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 1 || strings.Contains(r.out, s.key("echo")) {
		s.t.Errorf("kubectl aml %s ended with %d:\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			s.t.Errorf("kubectl aml %s does not say %q:\n%s", strings.Join(args, " "), text, r.out)
		}
	}
}

const (
	threeReplicas = "deployment echo-blue has 3 replicas where revision 1 says 2: "
	otherPort     = "service echo has ports[http].port 81 where revision 1 says 80: "
)

func TestWhatWasChangedByHandIsToldAndSetBack(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--replicas", "2")
	s.changeByHand()

	const noBudget = "poddisruptionbudget echo-blue is gone, which revision 1 has: "
	s.differs([]string{"diff", "echo"}, "traffic stays as it is\nversion blue goes from 3 to 2 replicas\nno pod restarts\n"+
		"3 objects were changed by hand:\n", otherPort+"it is set back\n", threeReplicas+"it is set back\n", noBudget+"it is made again\n",
		"\nDeployment/echo-blue (changed by hand)\n", "-  replicas: 3\n+  replicas: 2\n")
	s.differs([]string{"diff", "echo", "-o", "json"}, `"field": "spec.replicas"`)
	if r := s.ok("status", "echo"); !strings.Contains(r.out, "note: "+threeReplicas+"the next deploy sets it back\n") {
		t.Errorf("status says\n%s", r.out)
	}
	// The very same again is a new revision, because it changes something.
	r := s.echo("blue", "sky", "--replicas", "2")
	if !strings.Contains(r.err, "note: "+threeReplicas+"it is set back\n") || r.out != "endpoint/echo configured\n" {
		t.Errorf("deploy says\n%s%s", r.out, r.err)
	}
	s.noDifference("diff", "echo")
	s.asTheRevisionSays()
	if r := s.echo("blue", "sky", "--replicas", "2"); r.out != "endpoint/echo unchanged\n" {
		t.Errorf("once more: %s%s", r.out, r.err)
	}
}

// changeByHand scales a version, deletes its PodDisruptionBudget, and gives the
// endpoint another port, past the plugin.
func (s *space) changeByHand() {
	s.t.Helper()
	ctx := s.t.Context()
	_, err := s.admin.AppsV1().Deployments(s.namespace).UpdateScale(ctx, "echo-blue", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "echo-blue", Namespace: s.namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: 3},
	}, metav1.UpdateOptions{})
	must(s.t, err)
	must(s.t, s.admin.PolicyV1().PodDisruptionBudgets(s.namespace).Delete(ctx, "echo-blue", metav1.DeleteOptions{}))
	_, err = s.admin.CoreV1().Services(s.namespace).Patch(ctx, "echo", types.JSONPatchType,
		[]byte(`[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]`), metav1.PatchOptions{})
	must(s.t, err)
}

func (s *space) asTheRevisionSays() {
	s.t.Helper()
	ctx := s.t.Context()
	d, err := s.admin.AppsV1().Deployments(s.namespace).Get(ctx, "echo-blue", metav1.GetOptions{})
	must(s.t, err)
	_, err = s.admin.PolicyV1().PodDisruptionBudgets(s.namespace).Get(ctx, "echo-blue", metav1.GetOptions{})
	must(s.t, err)
	if *d.Spec.Replicas != 2 {
		s.t.Errorf("%d replicas", *d.Spec.Replicas)
	}
	service, err := s.admin.CoreV1().Services(s.namespace).Get(ctx, "echo", metav1.GetOptions{})
	must(s.t, err)
	if ports := service.Spec.Ports; len(ports) != 1 || ports[0].Port != 80 {
		s.t.Errorf("ports %+v", ports)
	}
}

func TestDiffTellsWhatADeployWillDo(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	s.echo("green", "grass", "--traffic", "10")
	args := s.echoArgs("green", "sand", "--traffic", "40")
	args[0] = "diff"
	s.differs(args, "traffic: blue goes from 90 % to 60 %, green goes from 10 % to 40 %\nversion green: image ",
		"the pods of version green are replaced (image)\n", "\nConfigMap/echo-router (changed)\n", "\nDeployment/echo-green (changed)\n")
	s.differs([]string{"diff", "echo", "--revision", "1"}, "green loses its 10 %", "\nDeployment/echo-green (deleted)\n")
	args[0] = "deploy"
	s.ok(args...)
	args[0] = "diff"
	s.noDifference(args...)
}
