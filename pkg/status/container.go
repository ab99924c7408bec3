// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The kubelet's words for why a container waits.
const (
	reasonBackOff = "ImagePullBackOff"
	reasonPull    = "ErrImagePull"
	reasonCrash   = "CrashLoopBackOff"
	reasonOOM     = "OOMKilled"
	oftenEnough   = 2 // exits after which another try is not worth waiting for
	firstSignal   = 128
	startupProbe  = "startup probe"
	livenessProbe = "liveness probe"
)

// container is one container of a pod: what was asked for and what became of it.
type container struct {
	spec   corev1.Container
	status corev1.ContainerStatus
	pod    podView
}

// failure speaks up if the container will not run, or not for long.
func (c container) failure() (Verdict, bool) {
	if waiting := c.status.State.Waiting; waiting != nil {
		if v, ok := c.waitingFailure(waiting); ok {
			return c.mark(v), true
		}
	}
	v, ok := c.crash()
	return c.mark(v), ok
}

func (c container) waitingFailure(waiting *corev1.ContainerStateWaiting) (Verdict, bool) {
	switch waiting.Reason {
	case reasonBackOff, reasonPull:
		if c.pullIsHopeless(waiting) {
			return failed(reasonBackOff, c.pullMessage(waiting)), true
		}
	case "InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed":
		return failed(waiting.Reason, c.pullMessage(waiting)), true
	case "RunContainerError":
		return failed(waiting.Reason, sentence(c.say("cannot be started"), waiting.Message)), true
	case "CreateContainerConfigError", "CreateContainerError":
		if c.cannotMount(waiting.Message) {
			return failed(waiting.Reason, c.cannotMountMessage(waiting.Message)), true
		}
		if !slowNode(waiting.Message) {
			return failed(waiting.Reason, sentence(c.say("cannot be created"), waiting.Message)), true
		}
	}
	return Verdict{}, false
}

// crash speaks up if the container keeps ending, or takes longer to start than
// it may.
func (c container) crash() (Verdict, bool) {
	serving := c.status.State.Running != nil && c.status.Started != nil && *c.status.Started
	if c.status.Ready || serving || c.completed() {
		return Verdict{}, false
	}
	last, previous := c.lastExit()
	outOfMemory := last != nil && last.Reason == reasonOOM
	looping := c.status.State.Waiting != nil && c.status.State.Waiting.Reason == reasonCrash
	often := last != nil && c.exits() >= oftenEnough && last.ExitCode != 0
	var v Verdict
	switch {
	case c.killedBy(startupProbe) && !outOfMemory:
		v = failed(ReasonStartupTime, c.lateMessage())
	case last == nil || !looping && !often:
		return Verdict{}, false
	case outOfMemory:
		v = failed(reasonOOM, c.exitMessage(last))
	default:
		v = failed(reasonCrash, c.exitMessage(last))
	}
	v.Previous = previous
	return v, true
}

// progress speaks up if the container is what the pod waits for.
func (c container) progress() (Verdict, bool) {
	if c.status.Ready || c.completed() {
		return Verdict{}, false
	}
	v := c.progressVerdict()
	if last, previous := c.lastExit(); last != nil && c.status.State.Running == nil {
		v.Message = c.exitMessage(last) + ", and is started again"
		v.Reason, v.Previous = orElse(last.Reason, v.Reason), previous
	}
	return c.mark(v), true
}

func (c container) progressVerdict() Verdict {
	if waiting := c.status.State.Waiting; waiting != nil {
		switch {
		case waiting.Reason == reasonBackOff || waiting.Reason == reasonPull:
			return progressing(waiting.Reason, c.pullMessage(waiting)+" (it is tried again)")
		case c.pulling():
			return progressing("Pulling", fmt.Sprintf("pulling image %s", c.spec.Image))
		case waiting.Message != "":
			return progressing(waiting.Reason, sentence(c.say("waits"), waiting.Message))
		}
		return progressing(orElse(waiting.Reason, ReasonStarting), c.say("is being created"))
	}
	if c.ordinaryInit() {
		return progressing(ReasonStarting, c.say("is at work before the others start"))
	}
	if c.status.Started == nil || !*c.status.Started {
		return progressing(ReasonStarting, c.say("is starting"))
	}
	return progressing(ReasonNotReady, sentence(c.say("runs but is not ready"), c.unhealthy("Readiness probe")))
}

// exitMessage says how the container ended, and how often it has.
func (c container) exitMessage(last *corev1.ContainerStateTerminated) string {
	times := "once"
	if n := c.exits(); n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	switch {
	case last.Reason == reasonOOM:
		if limit := c.spec.Resources.Limits.Memory(); !limit.IsZero() {
			return c.say(fmt.Sprintf("was killed for using more memory than its limit of %s (OOMKilled, %s)", limit, times))
		}
		return c.say(fmt.Sprintf("was killed because its node ran out of memory (OOMKilled, %s)", times))
	case c.killedBy(livenessProbe):
		clause := fmt.Sprintf("was restarted for not answering its liveness probe (%s)", times)
		return sentence(c.say(clause), c.unhealthy("Liveness probe"))
	case last.Reason == "StartError" || last.Reason == "ContainerCannotRun":
		return sentence(c.say("cannot be started"), last.Message)
	case last.ExitCode > firstSignal:
		return c.say(fmt.Sprintf("was ended by signal %d (exit code %d, %s)",
			last.ExitCode-firstSignal, last.ExitCode, times))
	}
	return sentence(c.say(fmt.Sprintf("exited with code %d (%s)", last.ExitCode, times)), lastWords(last.Message))
}

// lastWords are why a program ended: the exception in what it left, or what it
// left if that is one line. More lines are the end of its log, and the last of
// them seldom says why.
func lastWords(left string) string {
	lines := printable(left)
	if exception := cause(lines); exception != "" || len(lines) != 1 {
		return exception
	}
	return lines[0]
}

func (c container) lateMessage() string {
	clause := fmt.Sprintf("did not start in the %s it may take", c.startupTime())
	return sentence(c.say(clause), c.unhealthy("Startup probe"))
}

// lastExit is how the container ended last, and whether another instance of it
// is running or waits to be made since.
func (c container) lastExit() (exit *corev1.ContainerStateTerminated, previous bool) {
	if c.status.State.Terminated != nil {
		return c.status.State.Terminated, false
	}
	last := c.status.LastTerminationState.Terminated
	return last, last != nil
}

// exits is how often the container has ended. What has restarted has ended as
// often, and once more unless it runs.
func (c container) exits() int {
	n := int(c.status.RestartCount)
	if last, _ := c.lastExit(); last != nil && c.status.State.Running == nil {
		n++
	}
	return n
}

// ordinaryInit tells whether the container must end before the others start.
func (c container) ordinaryInit() bool {
	isInit := slices.ContainsFunc(c.pod.pod.Spec.InitContainers, func(s corev1.Container) bool {
		return s.Name == c.spec.Name
	})
	return isInit && (c.spec.RestartPolicy == nil || *c.spec.RestartPolicy != corev1.ContainerRestartPolicyAlways)
}

func (c container) completed() bool {
	exit := c.status.State.Terminated
	return c.ordinaryInit() && exit != nil && exit.ExitCode == 0
}

// killedBy tells whether the kubelet has said that it ends the container because
// of the probe. It says so long before the end if the container does not heed it.
func (c container) killedBy(probe string) bool {
	event, ok := c.event("Killing", "failed "+probe)
	// One of an instance before tells nothing about this end.
	return ok && !eventTime(event).Before(c.since())
}

// since is when the instance started that has ended last, or if none has, the
// one that runs.
func (c container) since() time.Time {
	if last, _ := c.lastExit(); last != nil {
		return last.StartedAt.Time
	}
	if c.status.State.Running != nil {
		return c.status.State.Running.StartedAt.Time
	}
	return time.Time{}
}

// unhealthy is what the kubelet said last about the probe, if anything.
func (c container) unhealthy(probe string) string {
	event, _ := c.event("Unhealthy", probe)
	return event.Message
}

// event returns the latest event of the container with the reason and the words.
func (c container) event(reason, words string) (corev1.Event, bool) {
	for _, event := range c.pod.events {
		if event.Reason == reason && c.concerns(event) && strings.Contains(event.Message, words) {
			return event, true
		}
	}
	return corev1.Event{}, false
}

// concerns tells whether an event of the pod is about this container: its field
// is then spec.containers{NAME}.
func (c container) concerns(event corev1.Event) bool {
	return strings.HasSuffix(event.InvolvedObject.FieldPath, "{"+c.spec.Name+"}")
}

func (c container) startupTime() time.Duration {
	probe := c.spec.StartupProbe
	if probe == nil {
		return 0
	}
	seconds := probe.InitialDelaySeconds + max(probe.PeriodSeconds, 1)*max(probe.FailureThreshold, 1)
	return time.Duration(seconds) * time.Second
}

func (c container) say(clause string) string { return "container " + c.spec.Name + " " + clause }

func (c container) mark(v Verdict) Verdict {
	v.Container = c.spec.Name
	last, _ := c.lastExit()
	v.HasLog = c.status.State.Running != nil || last != nil
	return v
}

// slowNode tells whether a container could not be created because its node is
// slow: the kubelet tries again, and the name it then finds reserved is its own.
func slowNode(message string) bool {
	return strings.Contains(message, "context deadline exceeded") || strings.Contains(message, "is reserved for")
}
