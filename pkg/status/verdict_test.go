// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestVersionVerdict has one case for each rule; the objects of a case are in
// the file of testdata with its name.
func TestVersionVerdict(t *testing.T) {
	const (
		image   = "registry.example/green:1"
		missing = "pod green-a: image " + image + " of container scoring cannot be pulled: "
		resolve = `failed to pull and unpack image "` + image + `": failed to resolve reference "` + image + `": ` +
			image + ": not found"
		none = "0 of 1 replicas ready: "
		gpu  = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available"
	)
	cases := map[string]struct {
		state   State
		reason  string
		message string
	}{
		"ready":          {Ready, "", "1 of 1 replicas ready"},
		"scaled-to-zero": {Ready, ReasonScaledToNil, "is scaled to 0 replicas and serves nothing"},
		"not-observed":   {Progressing, ReasonNotObserved, "waits for the cluster to take up the change"},
		"paused": {Progressing, ReasonPaused,
			"0 of 1 replicas ready; it is paused: run kubectl rollout resume deployment/sentiment-green"},
		"deadline": {Failed, "ProgressDeadlineExceeded",
			"no progress for 900s, 0 of 1 replicas ready: container scoring is starting"},
		"old-still-serves": {Progressing, ReasonStarting, none + "container scoring is starting"},
		"old-fails":        {Progressing, ReasonStarting, none + "container scoring is starting"},
		"quota": {Failed, "FailedCreate", `its pods are refused: pods "sentiment-green-2-x" is forbidden: ` +
			"exceeded quota: team, requested: requests.cpu=2, used: requests.cpu=4, limited: requests.cpu=5"},
		"pod-security": {Failed, "FailedCreate", `its pods are refused: pods "sentiment-green-2-x" is forbidden: ` +
			`violates PodSecurity "restricted:latest": runAsNonRoot != true (pod must not set runAsNonRoot=false)`},
		"webhook-down": {Progressing, "FailedCreate", none + "its pods are refused: Internal error occurred: " +
			`failed calling webhook "gate.example": Post "https://gate.ns.svc": dial tcp 10.0.0.9:443: connect: ` +
			"connection refused"},

		"pull-not-found":           {Failed, "ImagePullBackOff", missing + resolve},
		"pull-not-found-first-try": {Failed, "ImagePullBackOff", missing + resolve},
		"pull-unauthorized": {Failed, "ImagePullBackOff", missing + `failed to pull and unpack image "` + image +
			`": failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized`},
		"pull-timeout-first-try": {Progressing, "ErrImagePull", none + "image " + image + " of container scoring " +
			`cannot be pulled: failed to do request: Head "https://registry.example/v2/green": ` +
			"dial tcp 10.0.0.1:443: i/o timeout (it is tried again)"},
		"pull-timeout": {Progressing, "ImagePullBackOff", none + "image " + image + " of container scoring " +
			`cannot be pulled: failed to do request: Head "https://registry.example/v2/green": ` +
			"dial tcp 10.0.0.1:443: i/o timeout (it is tried again)"},
		"pull-unknown-cause": {Failed, "ImagePullBackOff", missing + "failed to unpack: no space left on device"},
		"pull-loaded": {Failed, "ImagePullBackOff", "pod green-a: image layout.localhost/green@sha256:0 of container scoring " +
			"is not to be had from its node, and is in no registry: load it again, with kubectl aml deploy or bundle load"},
		"pull-old-kubelet": {Failed, "ImagePullBackOff",
			missing + "pull access denied, repository does not exist"},
		"invalid-image-name": {Failed, "InvalidImageName", missing +
			`Failed to apply default image tag "REGISTRY/Green": couldn't parse image name: invalid reference format`},
		"pulling":        {Progressing, "Pulling", none + "pulling image " + image},
		"pulled":         {Progressing, "ContainerCreating", none + "container scoring is being created"},
		"volume-pulling": {Progressing, "Pulling", none + "pulling image registry.example/green@sha256:0 of volume models"},
		"volume-not-found": {Failed, "ImagePullBackOff", "pod green-a: image registry.example/green@sha256:0 of volume models " +
			`cannot be pulled: failed to pull and unpack image "registry.example/green@sha256:0": failed to resolve reference ` +
			`"registry.example/green@sha256:0": registry.example/green@sha256:0: not found`},
		"volume-like-image": {Failed, "ImagePullBackOff", "pod green-a: image registry.example/green:10 of volume models " +
			`cannot be pulled: failed to pull and unpack image "registry.example/green:10": registry.example/green:10: not found`},
		"volume-like-volume": {Progressing, "Pulling", none + "pulling image registry.example/model:10 of volume second"},
		"volume-no-folder": {Failed, "CreateContainerError", "pod green-a: container scoring cannot be created: " +
			`failed to mount image volume: ImageVolumeMountFailed: failed to ensure image subpath "models" in "/run/0": ` +
			"openat models: no such file or directory"},
		"volume-old-runtime": {Failed, "CreateContainerError", "pod green-a: container scoring cannot be created: its node's " +
			"runtime mounts no images as volumes, which takes one such as containerd 2.1; deploy with --model-mount image there: " +
			`failed to generate container "0" spec: failed to apply OCI options: failed to mkdir "": mkdir : no such file or ` +
			"directory"},
		"volume-old-kubelet": {Failed, "FailedMount", "pod green-a: cannot be set up: its node's kubelet mounts no images as " +
			"volumes, which takes Kubernetes 1.35; deploy with --model-mount image there: Unable to attach or mount volumes: " +
			"unmounted volumes=[models], unattached volumes=[], failed to process volumes=[models]: failed to get Plugin from " +
			`volumeSpec for volume "models" err=no volume plugin matched`},
		"mount": {Progressing, "FailedMount", none + "cannot be set up yet: MountVolume.SetUp failed for " +
			`volume "auth" : secret "sentiment-keys" not found`},
		"config-error": {Failed, "CreateContainerConfigError",
			`pod green-a: container scoring cannot be created: secret "sentiment-env" not found`},
		"create-error": {Failed, "CreateContainerError", "pod green-a: container scoring cannot be created: " +
			"failed to generate container spec: no command specified"},
		"create-slow-node": {Progressing, "CreateContainerError",
			none + "container scoring waits: context deadline exceeded"},

		"crash-first": {Progressing, "Error", none + "container scoring exited with code 3 (once): " +
			"ModuleNotFoundError: No module named 'torch', and is started again"},
		"crash-second": {Failed, "CrashLoopBackOff", "pod green-a: container scoring exited with code 3 (2 times): " +
			"ModuleNotFoundError: No module named 'torch'"},
		"crash-loop": {Failed, "CrashLoopBackOff", "pod green-a: container scoring exited with code 3 (2 times): " +
			"ModuleNotFoundError: No module named 'torch'"},
		"crash-running-again": {Failed, "CrashLoopBackOff", "pod green-a: container scoring exited with code 3 " +
			"(2 times): ModuleNotFoundError: No module named 'torch'"},
		"crash-serving-again": {Progressing, ReasonNotReady, none + "container scoring runs but is not ready"},
		"crash-exit-zero": {Failed, "CrashLoopBackOff",
			"pod green-a: container scoring exited with code 0 (3 times)"},
		"crash-signal": {Failed, "CrashLoopBackOff",
			"pod green-a: container scoring was ended by signal 11 (exit code 139, 3 times)"},
		"oom": {Failed, "OOMKilled", "pod green-a: container scoring was killed for using more memory than its " +
			"limit of 512Mi (OOMKilled, 5 times)"},
		"start-error": {Failed, "CrashLoopBackOff", "pod green-a: container scoring cannot be started: " +
			`exec: "python": executable file not found in $PATH`},
		"startup-late": {Failed, "StartupProbeFailed", "pod green-a: container scoring did not start in the 10m0s " +
			"it may take: Startup probe failed: HTTP probe failed with statuscode: 503"},
		"liveness": {Failed, "CrashLoopBackOff", "pod green-a: container scoring was restarted for not answering " +
			`its liveness probe (6 times): Liveness probe failed: Get "http://10.0.0.7:8080/": ` +
			"context deadline exceeded"},
		"startup-ending": {Failed, "StartupProbeFailed", "pod green-a: container scoring did not start in the 10m0s " +
			"it may take: Startup probe failed: HTTP probe failed with statuscode: 503"},
		"run-error": {Failed, "RunContainerError", "pod green-a: container scoring cannot be started: " +
			`exec: "/nothing": no such file or directory`},
		"starting": {Progressing, ReasonStarting, none + "container scoring is starting"},
		"not-ready": {Progressing, ReasonNotReady, none + "container scoring runs but is not ready: " +
			"Readiness probe failed: HTTP probe failed with statuscode: 503"},
		"sidecar-crash": {Failed, "CrashLoopBackOff",
			"pod green-a: container limiter exited with code 1 (2 times)"},
		"init-crash": {Failed, "CrashLoopBackOff", "pod green-a: container limiter exited with code 1 (2 times)"},
		"init-running": {Progressing, ReasonStarting,
			none + "container limiter is at work before the others start"},

		"unschedulable-young": {Progressing, "Unschedulable", none + "no node takes it: " + gpu},
		"unschedulable":       {Failed, "Unschedulable", "pod green-a: no node takes it: " + gpu},
		"unschedulable-scale-up": {Progressing, "Unschedulable",
			none + "waits for a new node: pod triggered scale-up: [{gpu 0->1 (max: 3)}]"},
		"unschedulable-leaving": {Progressing, "Unschedulable", none + "no node takes it: " + gpu},
		"quota-leaving":         {Progressing, "FailedCreate", none + "its pods are refused: exceeded quota: team"},
		"gated": {Progressing, "SchedulingGated",
			none + "waits for a node: Scheduling is blocked due to non-empty scheduling gates"},
		"evicted":     {Progressing, "Evicted", none + "has ended: The node was low on resource: memory"},
		"terminating": {Progressing, ReasonNotReady, "0 of 1 replicas ready"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := fixture(t, name).workload("green", noon(), Options{}).Verdict
			if got.State != c.state || got.Reason != c.reason || got.Message != c.message {
				t.Errorf("got  %s %s: %s\nwant %s %s: %s", got.State, got.Reason, got.Message, c.state, c.reason, c.message)
			}
		})
	}
}

func TestAWorkloadKnowsItsTimesAndWhetherItWasOnceReady(t *testing.T) {
	t.Parallel()
	s := fixture(t, "ready")
	d := s.deployment("green")
	d.CreationTimestamp = metav1.NewTime(noon())
	newest := s.replicaSets(d)[0]
	newest.CreationTimestamp = metav1.NewTime(noon().Add(time.Hour))
	for reason, want := range map[string]bool{"NewReplicaSetAvailable": true, "ReplicaSetUpdated": false} {
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: reason}}
		w := s.workload("green", noon(), Options{})
		if w.RolledOut != want || !w.Created.Equal(noon()) || !w.Updated.Equal(noon().Add(time.Hour)) {
			t.Errorf("%s: %v, made %s, changed %s", reason, w.RolledOut, w.Created, w.Updated)
		}
	}
	d.Generation = d.Status.ObservedGeneration + 1
	d.Status.Conditions[0].Reason = "NewReplicaSetAvailable"
	if s.workload("green", noon(), Options{}).RolledOut {
		t.Error("a change that was not seen yet counts as rolled out")
	}
}
