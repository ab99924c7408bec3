// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	helmchart "helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const template = `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-router}
data: {weights: {{ .Values.weights | default "" | quote }}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: {{ .Release.Name }}}
spec: {rules: [{weights: {{ .Values.weights | default "" | quote }}}]}
{{- if .Values.refuse }}{{ fail .Values.refuse }}{{ end }}
{{- if .Values.hook }}
---
apiVersion: v1
kind: Pod
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
{{- end }}
{{- range $name, $version := .Values.versions }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ $.Release.Name }}-{{ $name }}}
spec:
  {{- with $version.replicas }}
  replicas: {{ . }}
  {{- end }}
  template:
    spec:
      nodeSelector: {{ $version.nodeSelector | default dict | toJson }}
      containers:
      - name: scoring
        image: {{ $version.image }}
{{- end }}
`

// newChart is the chart under test, small.
func newChart(version string) *helmchart.Chart {
	return &helmchart.Chart{
		Metadata:  &helmchart.Metadata{APIVersion: "v2", Name: chartName, Version: version},
		Templates: []*helmchart.File{{Name: "templates/all.yaml", Data: []byte(template)}},
		Schema: []byte(`{"type":"object","properties":{"weights":{"type":"string"},` +
			`"versions":{"type":["object","null"]}}}`),
	}
}

// jumpingClock is a fake clock on which waiting takes no time.
type jumpingClock struct {
	*clocktesting.FakeClock
	waits  int
	onWait func(n int) // called at the n-th wait
}

func (c *jumpingClock) After(d time.Duration) <-chan time.Time {
	after := c.FakeClock.After(d)
	c.Step(d)
	if c.waits++; c.onWait != nil {
		c.onWait(c.waits)
	}
	return after
}

// world is a cluster with one user.
type world struct {
	*testing.T
	cluster *releasetest.Cluster
	clock   *jumpingClock
	client  *Client

	mu  sync.Mutex
	log []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, cluster: releasetest.New("models"),
		clock: &jumpingClock{FakeClock: clocktesting.NewFakeClock(noon)}}
	w.client = w.user("ann@laptop", newChart("1.2.0"))
	return w
}

func (w *world) user(holder string, chart *helmchart.Chart) *Client {
	return New(nil, Options{
		Namespace: "models", Chart: chart, Clock: w.clock, Holder: holder,
		Backend: Backend{Kubernetes: w.cluster.Clientset, Kube: w.cluster},
		Log: func(line string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.log = append(w.log, line)
		},
	})
}

// versions are values with these versions: "blue=image:1", optionally with a
// node selector "blue=image:1@gpu".
func versions(specs ...string) map[string]any {
	all := map[string]any{}
	for _, spec := range specs {
		name, image, _ := strings.Cut(spec, "=")
		image, selector, _ := strings.Cut(image, "@")
		version := map[string]any{"image": image}
		if selector != "" {
			version["nodeSelector"] = map[string]any{selector: "true"}
		}
		all[name] = version
	}
	return map[string]any{"weights": strings.Join(specs, " "), "versions": all}
}

func to(values map[string]any) Change {
	return func(*Release) (map[string]any, error) { return values, nil }
}

func (w *world) apply(values map[string]any, o ApplyOptions) (Result, error) {
	return w.client.Apply(w.Context(), "iris", to(values), o)
}

func (w *world) mustApply(values map[string]any) Result {
	w.Helper()
	result, err := w.apply(values, ApplyOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return result
}

var errNotReady = errors.New("version blue: ImagePullBackOff")

func notReady(context.Context) error { return errNotReady }

func (w *world) storage() *storage.Storage {
	return storage.Init(driver.NewSecrets(w.cluster.Clientset.CoreV1().Secrets("models")))
}

// edit changes the last record, as a crash or another tool would have left it.
func (w *world) edit(change func(*helmrelease.Release)) {
	w.Helper()
	last, err := w.storage().Last("iris")
	if err != nil {
		w.Fatal(err)
	}
	change(last)
	if err := w.storage().Update(last); err != nil {
		w.Fatal(err)
	}
}

// kill makes the last revision look as after a kill -9 during the operation:
// pending, with the Lease of the dead.
func (w *world) kill(during helmrelease.Status) {
	w.Helper()
	w.edit(func(r *helmrelease.Release) {
		r.Info.Status = during
		r.Info.LastDeployed = helmtime.Time{Time: w.clock.Now()}
	})
	w.putLease("bob@desk/1")
}

func (w *world) putLease(holder string) {
	w.Helper()
	now := metav1.NewMicroTime(w.clock.Now())
	_, err := w.cluster.Clientset.CoordinationV1().Leases("models").Create(w.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "iris-deploy"},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](15),
			AcquireTime: &now, RenewTime: &now},
	}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
}

// history tells the revisions as "1 deployed".
func (w *world) history() []string {
	w.Helper()
	all, err := w.client.History(w.Context(), "iris")
	if err != nil && !errors.Is(err, ErrNotFound) {
		w.Fatal(err)
	}
	var lines []string
	for _, r := range all {
		lines = append(lines, fmt.Sprintf("%d %s", r.Revision, r.Status))
	}
	return lines
}

func (w *world) wantHistory(want ...string) {
	w.Helper()
	if got := w.history(); !slices.Equal(got, want) {
		w.Errorf("history is %q, want %q", got, want)
	}
}

func (w *world) wantObjects(want ...string) {
	w.Helper()
	if got := w.cluster.Names(); !slices.Equal(got, want) {
		w.Errorf("objects are %q, want %q", got, want)
	}
}

func (w *world) wantNoLease() {
	w.Helper()
	list, err := w.cluster.Clientset.CoordinationV1().Leases("models").List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, l := range list.Items {
		w.Errorf("lease %s of %s is left", l.Name, *l.Spec.HolderIdentity)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if err.Error() != want {
		t.Errorf("error is\n  %s\nwant\n  %s", err, want)
	}
}
