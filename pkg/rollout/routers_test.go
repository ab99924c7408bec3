// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// pod is a pod of the endpoint's router in a phase.
func pod(name string, phase corev1.PodPhase, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "models", UID: types.UID("uid-of-" + name),
			Labels: map[string]string{
				"app.kubernetes.io/instance": "sentiment", "app.kubernetes.io/component": "router",
			},
		},
		Status: corev1.PodStatus{
			Phase:      phase,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
		},
	}
}

// answer is what a pod answers through the API server's proxy.
type answer struct {
	body string
	err  error
}

func (a answer) DoRaw(context.Context) ([]byte, error) { return []byte(a.body), a.err }

func (a answer) Stream(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(a.body)), a.err
}

// cluster is a cluster with the pods, which answer as told by their names.
func cluster(answers map[string]answer, pods ...*corev1.Pod) *fake.Clientset {
	client := fake.NewClientset()
	for _, p := range pods {
		if err := client.Tracker().Add(p); err != nil {
			answers[p.Name] = answer{err: err}
		}
	}
	client.AddProxyReactor("pods", func(action clienttesting.Action) (bool, rest.ResponseWrapper, error) {
		get := action.(clienttesting.ProxyGetAction)
		if get.GetScheme() != "http" || get.GetPort() != "8080" || get.GetPath() != "/-/config" {
			return true, answer{err: errors.New("asked for something else")}, nil
		}
		return true, answers[get.GetName()], nil
	})
	return client
}

func TestPodsAreTheRoutersThatRun(t *testing.T) {
	leaving := pod("leaving", corev1.PodRunning, corev1.ConditionTrue)
	leaving.DeletionTimestamp, leaving.Finalizers = &metav1.Time{}, []string{"x/y"}
	scoring := pod("scoring", corev1.PodRunning, corev1.ConditionTrue)
	scoring.Labels["app.kubernetes.io/component"] = "scoring"
	other := pod("other", corev1.PodRunning, corev1.ConditionTrue)
	other.Labels["app.kubernetes.io/instance"] = "other"
	client := cluster(nil, leaving, scoring, other,
		pod("a", corev1.PodRunning, corev1.ConditionTrue), pod("b", corev1.PodRunning, corev1.ConditionFalse),
		pod("pending", corev1.PodPending, corev1.ConditionFalse), pod("done", corev1.PodFailed, corev1.ConditionFalse))
	got, err := rollout.NewRouters(client, "models", "sentiment").Pods(t.Context())
	want := []rollout.Pod{{Name: "a", UID: "uid-of-a", Ready: true}, {Name: "b", UID: "uid-of-b"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestTouchSetsOnlyTheAnnotation(t *testing.T) {
	client := cluster(nil, pod("a", corev1.PodRunning, corev1.ConditionTrue))
	routers := rollout.NewRouters(client, "models", "sentiment")
	if err := routers.Touch(t.Context(), "a", "1234-5"); err != nil {
		t.Fatal(err)
	}
	patch := client.Actions()[0].(clienttesting.PatchAction)
	want := `{"metadata":{"annotations":{"kubectl-aml/refresh":"1234-5"}}}`
	if string(patch.GetPatch()) != want || patch.GetPatchType() != "application/merge-patch+json" {
		t.Errorf("patched with %s %s, want %s", patch.GetPatchType(), patch.GetPatch(), want)
	}
	err := routers.Touch(t.Context(), "gone", "1234-5")
	if want := `annotate pod models/gone: pods "gone" not found`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRunningTellsWhatEachRouterRuns(t *testing.T) {
	answers := map[string]answer{
		"a": {body: `{"hash":"0123456789abcdef","default":"blue","weights":{"blue":97.5,"green":2.5}}`},
		"b": {err: errors.New("connection refused")},
		"c": {body: "<html>"},
		"d": {body: `{"default":"blue"}`},
	}
	client := cluster(answers,
		pod("a", corev1.PodRunning, corev1.ConditionTrue), pod("b", corev1.PodRunning, corev1.ConditionTrue),
		pod("c", corev1.PodRunning, corev1.ConditionTrue), pod("d", corev1.PodRunning, corev1.ConditionFalse))
	got, err := rollout.Running(t.Context(), rollout.NewRouters(client, "models", "sentiment"))
	if err != nil || len(got) != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := rollout.Config{
		Hash: "0123456789abcdef", Default: "blue", Weights: map[string]float64{"blue": 97.5, "green": 2.5},
	}
	if !reflect.DeepEqual(got[0].Config, want) || got[0].Err != nil || !got[0].Ready || got[3].Ready {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	texts := []string{
		"ask pod models/b what it runs: connection refused",
		"pod c does not answer /-/config as a router does: invalid character '<' looking for beginning of value",
		"pod d does not answer /-/config as a router does: no hash",
	}
	for i, text := range texts {
		if err := got[i+1].Err; err == nil || err.Error() != text {
			t.Errorf("got  %v\nwant %s", err, text)
		}
	}
}

func TestReadyPod(t *testing.T) {
	client := cluster(nil, pod("a", corev1.PodRunning, corev1.ConditionFalse),
		pod("b", corev1.PodRunning, corev1.ConditionTrue))
	if got, err := rollout.ReadyPod(t.Context(), rollout.NewRouters(client, "models", "sentiment")); got != "b" {
		t.Errorf("got %q, %v; want b", got, err)
	}
	_, err := rollout.ReadyPod(t.Context(), rollout.NewRouters(client, "models", "other"))
	if !errors.Is(err, rollout.ErrNoRouter) {
		t.Errorf("got %v, want %v", err, rollout.ErrNoRouter)
	}
}
