// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	jobPrefix     = "aml-build-"
	containerName = "buildkit"
	// builder is the user of BuildKit's image: another one has no range of ids to
	// give to what is built.
	builder = 1000
	// stateDir is BuildKit's state in that image. It is a volume, because no
	// overlay can be mounted on the container's own.
	stateDir = "/home/user/.local/share/buildkit"
	// signOfLife is a file that this process touches while it waits.
	signOfLife = "/tmp/alive"
	// kept is how long a Job that has ended by itself can be looked at.
	kept = 20 * time.Second
	// leaving is how long BuildKit has to end.
	leaving = 5
	// asked is the part of the limits that the pod asks for: one in so many.
	asked = 4
)

// watch runs BuildKit until there was no sign of life for $0 seconds. It is the
// container's first process: what it leaves running ends with it.
const watch = `idle=$0 left=$0
trap 'exit 143' TERM INT
rootlesskit buildkitd --oci-worker-no-process-sandbox &
daemon=$!
while kill -0 $daemon 2>/dev/null; do
  if [ -e ` + signOfLife + ` ]; then
    rm -f ` + signOfLife + `
    left=$idle
  fi
  if [ $left -le 0 ]; then
    echo "no sign of life for $idle seconds"
    exit 0
  fi
  left=$((left - 1))
  sleep 1
done
wait $daemon
`

// labels are those of the Job and its pod. By them a NetworkPolicy of the
// namespace can let builds out.
func labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":       "buildkit",
		"app.kubernetes.io/component":  "build",
		"app.kubernetes.io/managed-by": "kubectl-aml",
	}
}

// confinement is a way to confine the pod: BuildKit has to make namespaces and
// mounts, which the usual profiles of seccomp and AppArmor forbid.
type confinement struct {
	seccomp  *corev1.SeccompProfile
	apparmor *corev1.AppArmorProfile
}

// confinements are tried in this order. Pod Security's level baseline does not
// admit the first. With the second it depends on the node, and most have no
// profile for pods that name none.
func confinements() []confinement {
	return []confinement{
		{
			seccomp:  &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
			apparmor: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		},
		{},
	}
}

// admitted asks the cluster which pod it would admit. It creates nothing.
func (b *clusterBuilder) admitted(ctx context.Context, r Request) (corev1.PodTemplateSpec, error) {
	var refusal error
	for _, c := range confinements() {
		template := b.template(r, c)
		pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
		pod.GenerateName = jobPrefix
		_, err := b.kube.CoreV1().Pods(b.o.Namespace).Create(ctx, pod,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		switch {
		case err == nil:
			return template, nil
		case ctx.Err() != nil:
			return template, context.Cause(ctx)
		case !violatesPodSecurity(err):
			return template, b.unavailable(ctx, err)
		}
		refusal = err
	}
	return corev1.PodTemplateSpec{}, &UnavailableError{
		Builder: b.Name(), Err: refusal,
		Reason: "the namespace's level of Pod Security admits no user namespaces: " +
			"build in one of level baseline or privileged, or with another builder",
	}
}

func violatesPodSecurity(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "violates PodSecurity")
}

func (b *clusterBuilder) job(template corev1.PodTemplateSpec) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: jobPrefix, Namespace: b.o.Namespace, Labels: labels()},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr.To[int32](0),
			ActiveDeadlineSeconds:   ptr.To(seconds(b.o.Timeout)),
			TTLSecondsAfterFinished: ptr.To(int32(seconds(kept))), //nolint:gosec // twenty seconds
			Template:                template,
		},
	}
}

func seconds(d time.Duration) int64 { return int64(max(d, time.Second) / time.Second) }

func (b *clusterBuilder) template(r Request, c confinement) corev1.PodTemplateSpec {
	system, architecture, _ := strings.Cut(cmp.Or(r.Platform, "linux"), "/")
	selector := map[string]string{corev1.LabelOSStable: system}
	if architecture != "" {
		architecture, _, _ = strings.Cut(architecture, "/")
		selector[corev1.LabelArchStable] = architecture
	}
	maps.Copy(selector, b.o.NodeSelector)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels: labels(),
			// Moving the pod would lose the build.
			Annotations: map[string]string{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To[int64](leaving),
			NodeSelector:                  selector,
			Tolerations:                   b.o.Tolerations,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](builder), RunAsGroup: ptr.To[int64](builder),
				SeccompProfile: c.seccomp, AppArmorProfile: c.apparmor,
			},
			Containers: []corev1.Container{b.container()},
			Volumes: []corev1.Volume{{
				Name: "state", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &b.o.Disk}}}},
		},
	}
}

func (b *clusterBuilder) container() corev1.Container {
	return corev1.Container{
		Name:    containerName,
		Image:   b.o.Image,
		Command: []string{"sh", "-c", watch, strconv.FormatInt(seconds(b.o.Idle), 10)},
		Resources: corev1.ResourceRequirements{
			Limits: corev1.ResourceList{corev1.ResourceCPU: b.o.CPU, corev1.ResourceMemory: b.o.Memory,
				corev1.ResourceEphemeralStorage: b.o.Disk},
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:              *resource.NewMilliQuantity(b.o.CPU.MilliValue()/asked, b.o.CPU.Format),
				corev1.ResourceMemory:           *resource.NewQuantity(b.o.Memory.Value()/asked, b.o.Memory.Format),
				corev1.ResourceEphemeralStorage: *resource.NewQuantity(b.o.Disk.Value()/asked, b.o.Disk.Format),
			},
		},
		StartupProbe: &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"buildctl", "debug", "workers"}}},
			PeriodSeconds:    1,
			TimeoutSeconds:   leaving,
			FailureThreshold: int32(seconds(b.o.Start)), //nolint:gosec // minutes, not years
		},
		SecurityContext: &corev1.SecurityContext{
			// newuidmap and newgidmap, which give what is built a range of ids, have
			// these two by their mode. There is no other way to more than one id.
			AllowPrivilegeEscalation: ptr.To(true),
			Capabilities: &corev1.Capabilities{
				Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"SETUID", "SETGID"}},
		},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: "state", MountPath: stateDir}},
	}
}
