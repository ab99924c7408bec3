// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// stepping is a clock that moves by each wait.
type stepping struct{ *clocktesting.FakeClock }

func (s stepping) After(d time.Duration) <-chan time.Time {
	c := s.FakeClock.After(d)
	s.Step(d)
	return c
}

// stage is a cluster in which a Job gets the pod and the events that a test
// says.
type stage struct {
	t       *testing.T
	kube    *fake.Clientset
	builder *clusterBuilder
	pod     corev1.PodStatus
	podless bool
	warning string
	refuse  func(pod *corev1.Pod) error

	mu   sync.Mutex
	ran  []string
	dry  []corev1.PodSpec
	said []string
}

func newStage(t *testing.T, o ClusterOptions) *stage {
	t.Helper()
	s := &stage{t: t, kube: fake.NewClientset(), pod: answering()}
	o.Namespace, o.Clock = "models", stepping{clocktesting.NewFakeClock(time.Unix(0, 0))}
	b, err := Cluster(s.kube, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	s.builder = b.(*clusterBuilder)
	s.builder.exec = s.exec
	s.builder.solve = func(context.Context, dialer, Request) (Result, error) { return Result{}, nil }
	s.kube.PrependReactor("create", "pods", s.admit)
	s.kube.PrependReactor("create", "jobs", s.run)
	return s
}

func answering() corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}
}

func waits(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}}
}

func over(reason string, code int32, message string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, Message: message}}}}}
}

func (s *stage) admit(action clienttesting.Action) (bool, runtime.Object, error) {
	create := action.(clienttesting.CreateActionImpl)
	if !slices.Equal(create.CreateOptions.DryRun, []string{metav1.DryRunAll}) {
		return false, nil, nil
	}
	pod := create.Object.(*corev1.Pod)
	s.dry = append(s.dry, pod.Spec)
	if s.refuse != nil {
		return true, nil, s.refuse(pod)
	}
	return true, pod, nil
}

// run is the Job's controller and the kubelet.
func (s *stage) run(action clienttesting.Action) (bool, runtime.Object, error) {
	job := action.(clienttesting.CreateAction).GetObject().(*batchv1.Job).DeepCopy()
	job.Name, job.UID = job.GenerateName+"1", "job-1"
	tracker := s.kube.Tracker()
	if err := tracker.Add(job); err != nil {
		s.t.Error(err)
	}
	if s.warning != "" {
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: job.Namespace},
			InvolvedObject: corev1.ObjectReference{UID: job.UID}, Type: corev1.EventTypeWarning, Message: s.warning}
		if err := tracker.Add(event); err != nil {
			s.t.Error(err)
		}
	}
	if !s.podless {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: job.Name + "-a", Namespace: job.Namespace,
			Labels: map[string]string{batchv1.ControllerUidLabel: string(job.UID)}},
			Spec: *job.Spec.Template.Spec.DeepCopy(), Status: s.pod}
		pod.Spec.NodeName = "node-1"
		if err := tracker.Add(pod); err != nil {
			s.t.Error(err)
		}
	}
	return true, job, nil
}

func (s *stage) exec(ctx context.Context, pod string, _ streams, command ...string) error {
	s.mu.Lock()
	s.ran = append(s.ran, pod+": "+strings.Join(command, " "))
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (s *stage) build(ctx context.Context) error {
	s.t.Helper()
	_, err := s.builder.Build(ctx, Request{Name: "sklearn", Platform: "linux/amd64", Log: func(line string) {
		s.said = append(s.said, line)
	}})
	jobs, listErr := s.kube.BatchV1().Jobs("models").List(context.WithoutCancel(ctx), metav1.ListOptions{})
	if listErr != nil || len(jobs.Items) > 0 {
		s.t.Errorf("%d Jobs are left, %v", len(jobs.Items), listErr)
	}
	return err
}

func violates(level string) func(*corev1.Pod) error {
	return func(pod *corev1.Pod) error {
		if level == "baseline" && pod.Spec.SecurityContext.SeccompProfile == nil {
			return nil
		}
		return apierrors.NewForbidden(corev1.Resource("pods"), "aml-build-x",
			errors.New(`violates PodSecurity "`+level+`:latest": seccompProfile`))
	}
}

// evicted is what the kubelet says of a pod.
func evicted(message string) corev1.PodStatus {
	status := over("Error", sigkill, "")
	status.Phase, status.Reason, status.Message = corev1.PodFailed, "Evicted", message
	return status
}

// What starts no BuildKit is told in one line, and leaves nothing.
func TestABuilderThatDoesNotStart(t *testing.T) {
	t.Parallel()
	const prefix = "BuildKit in a Job of namespace models cannot build: "
	for name, test := range map[string]struct {
		set  func(*stage)
		want string
	}{
		"restricted": {func(s *stage) { s.refuse = violates("restricted") },
			"the namespace's level of Pod Security admits no user namespaces: " +
				"build in one of level baseline or privileged, or with another builder"},
		"quota": {func(s *stage) {
			s.refuse = func(*corev1.Pod) error {
				return apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("exceeded quota: small"))
			}
		}, `pods is forbidden: exceeded quota: small`},
		"quota_of_resources": {func(s *stage) {
			s.refuse = func(*corev1.Pod) error {
				return apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("exceeded quota: small, requested: "+
					"limits.memory=4Gi,requests.ephemeral-storage=13421772800, used: limits.memory=0, limited: limits.memory=1Gi"))
			}
		}, `pods is forbidden: exceeded quota: small, requested: limits.memory=4Gi,requests.ephemeral-storage=13421772800, ` +
			`used: limits.memory=0, limited: limits.memory=1Gi: lower --builder-memory and --builder-disk`},
		"no_right": {func(s *stage) {
			s.refuse = func(*corev1.Pod) error {
				return apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New(`User "ada" cannot create resource "pods"`))
			}
		}, `pods is forbidden: User "ada" cannot create resource "pods": the role edit in the namespace is enough`},
		"no_pod": {func(s *stage) { s.podless, s.warning = true, "Error creating: webhook\nsays no" },
			"its pod cannot be created: Error creating: webhook says no"},
		"no_image": {func(s *stage) { s.pod = waits("ImagePullBackOff", `Back-off pulling image "x"`) },
			`ImagePullBackOff: Back-off pulling image "x"`},
		"no_node": {func(s *stage) {
			s.pod = corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled,
				Status: corev1.ConditionFalse, Message: "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {node.kubernetes.io/memory-pressure: }."}}}
		}, "its pod has not started within 5m0s: no node takes its pod: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) " +
			"had untolerated taint {node.kubernetes.io/memory-pressure: }: lower --builder-cpu"},
		"no_user_namespace": {func(s *stage) {
			s.pod = over("Error", 1, "[rootlesskit:parent] error: fork/exec /proc/self/exe: operation not permitted\n")
		}, `node node-1 lets it make no user namespace: see "Troubleshooting" in BuildKit's docs/rootless.md, or build on ` +
			"another node: [rootlesskit:parent] error: fork/exec /proc/self/exe: operation not permitted"},
		"evicted": {func(s *stage) {
			s.pod = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "Preempted to admit critical pod"}
		}, "its pod failed: Evicted: Preempted to admit critical pod"},
		"evicted_from_its_start": {func(s *stage) {
			s.pod = evicted("The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. ")
		}, "its pod failed: Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi: " +
			"ask for more of a node's memory with --builder-memory, or " + elsewhere},
		"broken": {func(s *stage) { s.pod = over("Error", 127, "sh: rootlesskit: not found") },
			"it ended with 127: sh: rootlesskit: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, ClusterOptions{})
			test.set(s)
			err := s.build(t.Context())
			var unavailable *UnavailableError
			if !errors.As(err, &unavailable) || err.Error() != prefix+test.want {
				t.Errorf("told\n%v\nwant\n%s%s", err, prefix, test.want)
			}
		})
	}
}

// A namespace of level baseline gets the pod without the profiles that it forbids.
func TestAConfinedPodIsTriedNext(t *testing.T) {
	t.Parallel()
	s := newStage(t, ClusterOptions{})
	s.refuse = violates("baseline")
	if err := s.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.dry) != 2 || s.dry[0].SecurityContext.SeccompProfile == nil || s.dry[1].SecurityContext.SeccompProfile != nil {
		t.Errorf("asked about %d pods: %+v", len(s.dry), s.dry)
	}
}

// Whatever becomes of a build, its Job goes, and the cause is told.
func TestTheJobGoesWithTheBuild(t *testing.T) {
	t.Parallel()
	broke := errors.New("the connection broke")
	step := &StepError{Step: "RUN false", Code: 1}
	for name, test := range map[string]struct {
		err  error
		then corev1.PodStatus
		want string
	}{
		"built":       {nil, answering(), ""},
		"step_failed": {step, over("OOMKilled", 137, ""), step.Error()},
		"broke":       {broke, answering(), broke.Error()},
		"out_of_memory": {broke, over("OOMKilled", 137, ""), "killed for using more memory than its 4Gi: allow it more with " +
			"--builder-memory, or build with Docker's engine, a BuildKit of your own or ACR Tasks"},
		"out_of_memory_of_the_node": {broke, over("Error", 137, ""), "killed, most likely for using more memory than its 4Gi: allow"},
		"a_step_out_of_memory": {&StepError{Step: "RUN x", Code: 137}, answering(), `step "RUN x" of the build ended with 137: it was ` +
			"killed, most likely for using more memory than its 4Gi: allow it more with --builder-memory, or build with"},
		"a_step_and_its_pod": {&StepError{Step: "RUN x", Code: 137}, over("OOMKilled", 137, ""), "models cannot build: it was killed for"},
		"out_of_disk": {broke, evicted(`Usage of EmptyDir volume "state" exceeds the limit "50Gi". `),
			"its pod failed: it has written more than the 50Gi of disk that it may: allow it more with --builder-disk"},
		"out_of_disk_elsewhere": {broke, evicted("Pod ephemeral local storage usage exceeds the total limit of containers 50Gi. "),
			"its pod failed: it has written more than the 50Gi of disk that it may: allow it more with --builder-disk"},
		"out_of_disk_of_the_node": {broke, evicted("The node was low on resource: ephemeral-storage. "),
			"low on resource: ephemeral-storage: ask for more of a node's disk with --builder-disk, or build with Docker's engine"},
		"idle": {broke, over("Completed", 0, ""), "it has ended for want of a sign of life from here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, ClusterOptions{})
			s.builder.solve = func(ctx context.Context, _ dialer, _ Request) (Result, error) {
				pod, err := s.kube.CoreV1().Pods("models").Get(ctx, "aml-build-1-a", metav1.GetOptions{})
				if err != nil {
					t.Error(err)
				}
				pod.Status = test.then
				if _, err := s.kube.CoreV1().Pods("models").UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
					t.Error(err)
				}
				return Result{}, test.err
			}
			err := s.build(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) ||
				!errors.Is(err, test.err) {
				t.Errorf("told %v, want %s", err, test.want)
			}
		})
	}
}

// An interrupted build leaves no Job, neither before BuildKit answers nor after.
func TestAnInterruptedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	stop := errors.New("interrupted")
	t.Run("while_it_starts", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newStage(t, ClusterOptions{})
		s.pod = waits("ContainerCreating", "")
		s.kube.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			cancel(stop)
			return false, nil, nil
		})
		if err := s.build(ctx); !errors.Is(err, stop) {
			t.Errorf("told %v", err)
		}
	})
	t.Run("while_it_builds", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newStage(t, ClusterOptions{})
		s.builder.solve = func(ctx context.Context, _ dialer, _ Request) (Result, error) {
			cancel(stop)
			<-ctx.Done()
			return Result{}, context.Cause(ctx)
		}
		if err := s.build(ctx); !errors.Is(err, stop) {
			t.Errorf("told %v", err)
		}
	})
}

// BuildKit is spoken to through the pod's own socket, and shown signs of life.
func TestBuildKitIsReachedByExec(t *testing.T) {
	t.Parallel()
	s := newStage(t, ClusterOptions{})
	const why = "container not found"
	s.builder.exec = func(_ context.Context, pod string, streams streams, command ...string) error {
		if pod != "aml-build-1-a" {
			t.Errorf("a command in pod %s", pod)
		}
		if command[0] == "touch" {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ran = append(s.ran, strings.Join(command, " "))
			return nil
		}
		if _, err := io.CopyN(streams.out, streams.in, 5); err != nil {
			return err
		}
		return errors.New(why)
	}
	s.builder.solve = func(ctx context.Context, dial dialer, _ Request) (Result, error) {
		for alive := false; !alive; {
			s.mu.Lock()
			alive = slices.Contains(s.ran, "touch /tmp/alive")
			s.mu.Unlock()
		}
		conn, err := dial(ctx, "")
		if err != nil {
			return Result{}, err
		}
		return Result{}, echo(conn)
	}
	if err := s.build(t.Context()); err == nil || !strings.HasSuffix(err.Error(), why) {
		t.Errorf("a connection that broke: %v", err)
	}
}

// echo sends a word and has it back, then reads on until the connection ends.
func echo(conn net.Conn) error {
	back := make([]byte, 5)
	go func() { _, _ = conn.Write([]byte("hello")) }()
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != "hello" {
		return errors.Join(err, errors.New("got "+string(back)))
	}
	_, err := conn.Read(back)
	return err
}

// The pod has no privilege, no token and no port, and ends by itself.
func TestThePodOfABuild(t *testing.T) {
	t.Parallel()
	s := newStage(t, ClusterOptions{NodeSelector: map[string]string{"pool": "build"}, Idle: 10 * time.Second})
	var job *batchv1.Job
	s.builder.solve = func(ctx context.Context, _ dialer, _ Request) (Result, error) {
		var err error
		job, err = s.kube.BatchV1().Jobs("models").Get(ctx, "aml-build-1", metav1.GetOptions{})
		return Result{}, err
	}
	if err := s.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(job.Spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/cluster/job.json", string(text)+"\n")
}

// What cannot be right is refused, all of it at once.
func TestClusterOptions(t *testing.T) {
	t.Parallel()
	_, err := Cluster(fake.NewClientset(), nil, ClusterOptions{Timeout: -1, Idle: time.Second})
	for _, want := range []string{"no namespace to build in", "a time-out of -1ns", "give it 5s or more"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
