// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/buildkit/client"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// BuildKitImage is the image of rootless BuildKit that Cluster runs.
const BuildKitImage = "docker.io/moby/buildkit:v0.34.2-rootless"

// What a build in the cluster may use at most if nothing is said.
const (
	DefaultCPU    = "2"
	DefaultMemory = "4Gi"
	DefaultDisk   = "50Gi"
)

// ClusterOptions say where in a cluster to build and with what. What is left out
// has the value that its comment names.
type ClusterOptions struct {
	// Namespace in which the Job runs. There is no default.
	Namespace string
	// Image of BuildKit, one of those that run without root; BuildKitImage.
	Image string
	// CPU and Memory that a build may use at most, and Disk that it may write, so
	// that it fills no node; DefaultCPU, DefaultMemory and DefaultDisk. A quarter of
	// each is asked for, so that a busy cluster takes the pod.
	CPU, Memory, Disk resource.Quantity
	// NodeSelector and Tolerations say which nodes may build. A node is of the
	// platform that is built for in any case.
	NodeSelector map[string]string
	Tolerations  []corev1.Toleration
	// Timeout of a build, from beginning to end; an hour. The Job ends then,
	// whatever has become of who waits for it.
	Timeout time.Duration
	// Start is how long BuildKit may take to answer; five minutes.
	Start time.Duration
	// Idle is how long BuildKit goes on without a sign of life from who started it;
	// two minutes. It is at least five seconds.
	Idle time.Duration
	// Clock measures; the real one.
	Clock clock.Clock
}

const (
	defaultTimeout = time.Hour
	defaultStart   = 5 * time.Minute
	defaultIdle    = 2 * time.Minute
	leastIdle      = 5 * time.Second
	// signsOfLife is how many there are while BuildKit would go on without one.
	signsOfLife = 4
	// farewell is how long deleting the Job may take.
	farewell = 30 * time.Second
)

// Cluster returns a builder that runs rootless BuildKit in a Job for each build.
//
// The role edit in the one namespace is enough for it: it creates and deletes a
// Job, asks whether its pod would be admitted, looks at pods and events, and
// speaks to BuildKit by pods/exec. The pod is not privileged, has no token and
// no port; secrets and logins are in no object of the cluster. The Job is gone
// when Build returns. If this process is killed, the Job ends by itself after
// Idle, and is deleted soon after.
//
// Options that cannot be right are refused. A namespace that does not admit the
// pod, and a pod that does not start, are an *UnavailableError of Build.
func Cluster(kube kubernetes.Interface, config *rest.Config, o ClusterOptions) (Builder, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	remote := execution{config: config, client: kube, namespace: o.Namespace}
	return &clusterBuilder{kube: kube, o: o, exec: remote.run, solve: solveAt}, nil
}

func (o ClusterOptions) complete() (ClusterOptions, error) {
	o.Image = cmp.Or(o.Image, BuildKitImage)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.Start = cmp.Or(o.Start, defaultStart)
	o.Idle = cmp.Or(o.Idle, defaultIdle)
	if o.CPU.IsZero() {
		o.CPU = resource.MustParse(DefaultCPU)
	}
	if o.Memory.IsZero() {
		o.Memory = resource.MustParse(DefaultMemory)
	}
	if o.Disk.IsZero() {
		o.Disk = resource.MustParse(DefaultDisk)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	var errs []error
	if o.Namespace == "" {
		errs = append(errs, errors.New("no namespace to build in: name one"))
	}
	if o.CPU.Sign() < 0 || o.Memory.Sign() < 0 || o.Disk.Sign() < 0 {
		errs = append(errs, fmt.Errorf("%s of CPU, %s of memory and %s of disk to build with: none may be less than 0",
			o.CPU.String(), o.Memory.String(), o.Disk.String()))
	}
	if o.Timeout < 0 || o.Start < 0 {
		errs = append(errs, fmt.Errorf("a time-out of %s, and of %s for the start: neither may be less than 0",
			o.Timeout, o.Start))
	}
	if o.Idle < leastIdle {
		errs = append(errs, fmt.Errorf("BuildKit would end after %s without a sign of life: give it %s or more",
			o.Idle, leastIdle))
	}
	return o, errors.Join(errs...)
}

// clusterBuilder builds in Jobs of one namespace.
type clusterBuilder struct {
	kube  kubernetes.Interface
	o     ClusterOptions
	exec  func(ctx context.Context, pod string, streams streams, command ...string) error
	solve func(ctx context.Context, dial dialer, r Request) (Result, error)
}

// Name is as UnavailableError begins.
func (b *clusterBuilder) Name() string {
	return "BuildKit in a Job of namespace " + b.o.Namespace
}

// Build runs BuildKit, builds with it, and takes it away.
func (b *clusterBuilder) Build(ctx context.Context, r Request) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout,
		fmt.Errorf("the build has taken longer than its time-out of %s", b.o.Timeout))
	defer cancel()
	template, err := b.admitted(ctx, r)
	if err != nil {
		return Result{}, err
	}
	job, err := b.kube.BatchV1().Jobs(b.o.Namespace).Create(ctx, b.job(template), metav1.CreateOptions{})
	if err != nil {
		return Result{}, b.unavailable(ctx, err)
	}
	defer b.remove(ctx, job, r)
	pod, err := b.started(ctx, job, r)
	if err != nil {
		return Result{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go b.keepAlive(ctx, pod)
	result, err := b.solve(ctx, b.dialer(ctx, pod), r)
	if err != nil {
		return Result{}, b.explained(ctx, pod, err)
	}
	return result, nil
}

// remove deletes the Job, and with it its pod, also when ctx has ended.
func (b *clusterBuilder) remove(ctx context.Context, job *batchv1.Job, r Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	propagation := metav1.DeletePropagationForeground
	err := b.kube.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
		PropagationPolicy: &propagation, Preconditions: metav1.NewUIDPreconditions(string(job.UID))})
	if err != nil && !isGone(err) {
		r.log(fmt.Sprintf("Job %s is not deleted (%s): it ends by itself within %s",
			job.Name, oneLine(err.Error()), b.o.Idle))
	}
}

// solveAt is solve with the BuildKit that dial leads to.
func solveAt(ctx context.Context, dial dialer, r Request) (Result, error) {
	c, err := client.New(ctx, "", client.WithContextDialer(dial))
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = c.Close() }()
	return solve(ctx, c, r)
}
