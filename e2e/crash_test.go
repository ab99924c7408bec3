// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// crashClients is how many requests can be under way at once.
const crashClients = 32

// refused is what a caller sees who is sent to a router that is not there.
const refused = "dial: connect: connection refused"

// A process that is killed takes with it what it has under way: a request that
// may have reached the model is never sent twice. What comes after that goes to
// others. Only a router's own callers may find its address closed until the
// cluster has noticed, and are told so before they have sent anything.
func TestACrashLosesOnlyWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	nodes, err := cluster.Up(t.Context(), cluster.Options{})
	must(t, err)
	o := newOperations(s, "echo")
	o.ready()
	s.ok("traffic", "set", "echo", "green=50")
	c, url, key := s.client(), s.url("echo"), bearer(s.key("echo"))
	for _, victim := range []struct{ component, container string }{
		{"scoring", "scoring"}, {"scoring", "limiter"}, {"router", "router"},
	} {
		end := c.steady(url, 150, 5*time.Minute, key, "-numbered")
		var kills []kill
		for range 2 {
			k, err := o.kill(nodes, victim.component, victim.container)
			must(t, err)
			kills = append(kills, k)
		}
		_, err := o.spare(victim.component) // all are back, for some seconds
		must(t, err)
		r := end()
		t.Logf("%s killed twice: %d of %d requests lost:%s", victim.container, len(r.Lost), r.Sent, o.blame(r.Lost))
		for _, l := range r.Lost {
			if !excused(l, victim.container, kills) {
				t.Errorf("request %d, sent at %s, was not under way in a %s when it died: %s",
					l.Number, time.UnixMilli(l.At).Format("15:04:05.000"), victim.container, l.What)
			}
		}
		if len(r.Lost) > len(kills)*crashClients && victim.component != "router" {
			t.Errorf("%d requests lost, more than %d can be under way in %d", len(r.Lost), crashClients, len(kills))
		}
		c.send(url, 200, key, "-body=1").allOK(t)
	}
}

// kill is when a process died, and when its pod was ready again.
type kill struct{ before, after, ready time.Time }

// excused says that a loss is one that a crash may cause.
func excused(l loss, container string, kills []kill) bool {
	sent := time.UnixMilli(l.At)
	return slices.ContainsFunc(kills, func(k kill) bool {
		underWay := !sent.After(k.after) && !sent.Add(time.Duration(l.Millis)*time.Millisecond).Before(k.before)
		closed := container == "router" && l.What == refused && !sent.Before(k.before) && !sent.After(k.ready)
		return underWay || closed
	})
}

// kill kills the process of a container, on its node and without a word, and
// waits until the pod has a new one.
func (o *operations) kill(nodes *cluster.Cluster, component, container string) (kill, error) {
	name, err := o.spare(component)
	if err != nil {
		return kill{}, fmt.Errorf("before %s is killed: %w", container, err)
	}
	var k kill
	var before corev1.ContainerStatus
	err = o.do("kill", "kill "+container+" of "+name, func() error {
		// What the pod says may be of a process that is gone already.
		return o.poll(func(ctx context.Context) (bool, error) {
			pod, err := o.admin.CoreV1().Pods(o.namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			before, k.before = statusOf(pod, container), time.Now()
			killed, err := killProcesses(ctx, nodes, pod.Spec.NodeName, before.ContainerID)
			k.after = time.Now()
			return killed, err
		})
	})
	if err != nil {
		return k, err
	}
	var now corev1.ContainerStatus
	err = o.poll(func(ctx context.Context) (bool, error) {
		pod, err := o.admin.CoreV1().Pods(o.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		now = statusOf(pod, container)
		return now.RestartCount > before.RestartCount && now.Ready, nil
	})
	if err != nil {
		err = fmt.Errorf("%s of %s is not back: %w: it was\n%v\nand is\n%v", container, name, err, before, now)
	}
	k.ready = time.Now()
	return k, err
}

// killProcesses kills what runs in a container, until it is gone: its connections
// are closed only as it dies. It tells whether there was anything.
func killProcesses(ctx context.Context, nodes *cluster.Cluster, node, container string) (bool, error) {
	_, id, _ := strings.Cut(container, "://")
	if id == "" {
		return false, nil
	}
	script := "while files=$(grep -ls " + id + " /proc/[0-9]*/cgroup); do " +
		"kill -9 $(echo \"$files\" | cut -d/ -f3) 2>/dev/null; echo killed; sleep 0.01; done"
	said, err := nodes.NodeExec(ctx, node, "sh", "-c", script)
	return said != "", err
}

func statusOf(pod *corev1.Pod, container string) corev1.ContainerStatus {
	for _, status := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		if status.Name == container {
			return status
		}
	}
	return corev1.ContainerStatus{}
}
