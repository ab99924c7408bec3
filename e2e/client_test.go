// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/utils/ptr"
)

// report is what the loader prints.
type report struct {
	Sent     int               `json:"sent"`
	Status   map[string]int    `json:"status"`
	Versions map[string]int    `json:"versions"`
	Callers  map[string]string `json:"callers"`
	Bodies   map[string]int    `json:"bodies"`
	Errors   map[string]int    `json:"errors"`
	Headers  map[string]string `json:"headers"`
	Millis   int64             `json:"millis"`
	Took     int64             `json:"took"`
	Lost     []loss            `json:"lost"`
}

// loss is a numbered request that did not get its own answer.
type loss struct {
	Number int    `json:"number"`
	At     int64  `json:"at"`
	Millis int64  `json:"millis"`
	What   string `json:"what"`
}

// client is a pod that calls endpoints from inside the cluster.
type client struct {
	*space
	pod string
}

func (s *space) client() *client {
	s.t.Helper()
	ctx := s.t.Context()
	pods := s.admin.CoreV1().Pods(s.namespace)
	_, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "client"},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To(int64(0)),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "loader", Image: os.Getenv(loaderVar),
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false),
					ReadOnlyRootFilesystem: ptr.To(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}, metav1.CreateOptions{})
	must(s.t, err)
	must(s.t, wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true,
		func(ctx context.Context) (bool, error) {
			pod, err := pods.Get(ctx, "client", metav1.GetOptions{})
			return err == nil && pod.Status.Phase == corev1.PodRunning, err
		}))
	return &client{space: s, pod: "client"}
}

// send sends count requests and returns what came back.
func (c *client) send(url string, count int, flags ...string) report {
	c.t.Helper()
	args := append([]string{"-url", url, "-count", strconv.Itoa(count)}, flags...)
	r, err := c.exec(c.t.Context(), nil, args)
	must(c.t, err)
	return r
}

// steady sends rate requests a second until the function it returns is called,
// which gives what came back. It never goes on for more than limit.
func (c *client) steady(url string, rate int, limit time.Duration, flags ...string) func() report {
	c.t.Helper()
	args := append([]string{"-url", url, "-rate", strconv.Itoa(rate), "-limit", limit.String(), "-clients", "32"}, flags...)
	in, end := io.Pipe()
	type ended struct {
		report
		err error
	}
	done := make(chan ended, 1)
	go func() {
		r, err := c.exec(context.WithoutCancel(c.t.Context()), in, args)
		done <- ended{r, err}
	}()
	c.t.Cleanup(func() { _ = end.Close() })
	return func() report {
		c.t.Helper()
		_ = end.Close()
		e := <-done
		must(c.t, e.err)
		return e.report
	}
}

// exec runs the loader in the pod. The loader reads its standard input to know
// when to stop.
func (c *client) exec(ctx context.Context, in io.Reader, args []string) (report, error) {
	request := c.admin.CoreV1().RESTClient().Post().Resource("pods").Namespace(c.namespace).Name(c.pod).
		SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: "loader", Command: append([]string{"/loader", "run"}, args...),
		Stdin: in != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.adminREST, "GET", request.URL().String())
	if err != nil {
		return report{}, err
	}
	var out, errOut bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: &out, Stderr: &errOut}); err != nil {
		return report{}, err
	}
	var r report
	return r, json.Unmarshal(out.Bytes(), &r)
}

// bearer is the flag that sends a key.
func bearer(key string) string { return "-header=Authorization: Bearer " + key }

// allOK ends the test unless each request was answered 200.
func (r report) allOK(t *testing.T) report {
	t.Helper()
	if r.Sent == 0 || r.Status["200"] != r.Sent || len(r.Errors) > 0 {
		t.Fatalf("of %d requests %d were answered 200: %v, errors %v, answers %v",
			r.Sent, r.Status["200"], r.Status, r.Errors, r.Bodies)
	}
	return r
}

// nearly ends the test unless a version answered its share of the requests, but
// for a few: each worker of each router goes its own way.
func (r report) nearly(t *testing.T, version string, percent float64) {
	t.Helper()
	want, got := float64(r.Sent)*percent/100, float64(r.Versions[version])
	t.Logf("%s answered %.0f of %d requests, %.0f wanted", version, got, r.Sent, want)
	if math.Abs(got-want) > 8 {
		t.Errorf("%s answered %.0f of %d requests, not %.0f ± 8", version, got, r.Sent, want)
	}
}
