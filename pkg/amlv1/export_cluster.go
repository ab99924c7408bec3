// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// ServiceLabel is the label that Azure ML put on the Deployments and pods of its
// services, with the value "true".
const ServiceLabel = "isazuremlapp"

// FromDeployment describes the Deployment that Azure ML v1 made for a service,
// or for a version of an endpoint, in its cluster: image, resources, replicas,
// variables and the liveness probe. What azureml-fe kept to itself is not in it:
// autoscaling, the queue, concurrency, auth and traffic; a warning says so. It
// refuses a Deployment without a container.
func FromDeployment(d appsv1.Deployment) (ExportedVersion, Findings) {
	x := clusterReader{name: "deployment/" + d.Name}
	v := ExportedVersion{Config: DeploymentConfig{ComputeType: AKSEndpoint}}
	pod := d.Spec.Template.Spec
	c := scoringContainer(pod.Containers, d.Name)
	if c == nil {
		x.report("spec.template.spec.containers", "has no container: name the Deployment of a service")
		return v, x.findings
	}
	if d.Labels[ServiceLabel] != "true" && d.Spec.Template.Labels[ServiceLabel] != "true" {
		x.warn("metadata.labels", "lacks "+ServiceLabel+"=true: it may not be a service of Azure ML")
	}
	if len(pod.InitContainers) > 0 {
		x.warn("spec.template.spec.initContainers",
			"may bring code and models that are not in the image: look for them in "+appRoot+" of a running pod")
	}
	v.Image = c.Image
	replicas := 1
	if d.Spec.Replicas != nil && *d.Spec.Replicas > 0 {
		replicas = int(*d.Spec.Replicas)
	}
	v.Config.NumReplicas = &replicas
	v.Config.resourcesOf(*c)
	v.Config.probeOf(c.LivenessProbe)
	x.environment(&v, *c)
	x.warn("", fmt.Sprintf("says nothing of autoscaling, queue, concurrency and auth, which azureml-fe kept: "+
		"%d replicas are written, Azure ML's defaults hold for the rest", replicas))
	v.Config.source = newSource("")
	return v, append(x.findings, v.Config.Validate()...)
}

const appRoot = "/var/azureml-app"

type clusterReader struct {
	name     string
	findings Findings
}

func (x *clusterReader) report(field, message string) {
	x.findings = append(x.findings, Finding{File: x.name, Field: field, Message: message})
}

func (x *clusterReader) warn(field, message string) {
	x.report(field, message)
	x.findings[len(x.findings)-1].Warning = true
}

// scoringContainer is the one with Azure ML's port, else the one called like
// the service, else the first.
func scoringContainer(containers []corev1.Container, name string) *corev1.Container {
	const port = 5001
	for _, fits := range []func(corev1.Container) bool{
		func(c corev1.Container) bool {
			return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == port })
		},
		func(c corev1.Container) bool { return c.Name == name },
		func(corev1.Container) bool { return true },
	} {
		if i := slices.IndexFunc(containers, fits); i >= 0 {
			return &containers[i]
		}
	}
	return nil
}

func (c *DeploymentConfig) resourcesOf(from corev1.Container) {
	r := &c.ContainerResourceRequirements
	requests, limits := from.Resources.Requests, from.Resources.Limits
	r.CPU, r.CPULimit = amountOf(requests, corev1.ResourceCPU, 1), amountOf(limits, corev1.ResourceCPU, 1)
	r.MemoryInGB = amountOf(requests, corev1.ResourceMemory, gib)
	r.MemoryInGBLimit = amountOf(limits, corev1.ResourceMemory, gib)
	if gpus := amountOf(limits, "nvidia.com/gpu", 1); gpus != nil {
		n := int(math.Ceil(*gpus))
		c.GPUCores = &n
	}
}

func amountOf(list corev1.ResourceList, name corev1.ResourceName, unit float64) *float64 {
	q, ok := list[name]
	if !ok || q.Sign() <= 0 {
		return nil
	}
	f := amountNode(place{}, q.AsApproximateFloat64()/unit).number
	if f <= 0 {
		return nil
	}
	return &f
}

func (c *DeploymentConfig) probeOf(p *corev1.Probe) {
	if p == nil {
		return
	}
	l := &c.LivenessProbeRequirements
	for _, f := range []struct {
		to   **int
		from int32
	}{
		{&l.InitialDelaySeconds, p.InitialDelaySeconds}, {&l.PeriodSeconds, p.PeriodSeconds},
		{&l.TimeoutSeconds, p.TimeoutSeconds}, {&l.SuccessThreshold, p.SuccessThreshold},
		{&l.FailureThreshold, p.FailureThreshold},
	} {
		if f.from > 0 {
			n := int(f.from)
			*f.to = &n
		}
	}
}

// environment takes over the variables: those of Azure ML's own contract say
// where the script is, the others are the user's.
func (x *clusterReader) environment(v *ExportedVersion, c corev1.Container) {
	v.variables = map[string]string{}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom != nil && !isContract(e.Name):
			x.warn("env."+e.Name, "comes from another object and is left out: write it into environmentVariables")
		case e.Name == "AZUREML_ENTRY_SCRIPT":
			v.EntryScript = e.Value
		case e.Name == "AZUREML_SOURCE_DIRECTORY":
			v.SourceDirectory = e.Value
		case e.Name == "SCORING_TIMEOUT_MS":
			if ms, err := strconv.Atoi(e.Value); err == nil && ms > 0 {
				v.Config.ScoringTimeoutMs = &ms
			}
		case !isContract(e.Name) && isVariable(e.Name):
			v.variables[e.Name] = e.Value
		}
	}
	if script, within := strings.CutPrefix(v.EntryScript, v.SourceDirectory+"/"); within && v.SourceDirectory != "" {
		v.EntryScript = script
	}
}

func isVariable(name string) bool { return name != "" && !strings.ContainsAny(name, "=\x00") }

// isContract tells whether Azure ML set a variable, not the user.
func isContract(name string) bool {
	return slices.Contains([]string{"AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY", "AZUREML_MODEL_DIR",
		"AML_APP_ROOT", "SCORING_TIMEOUT_MS", "WORKER_COUNT", "WORKER_TIMEOUT", "WORKSPACE_NAME", "SERVICE_NAME",
		"AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY", "AML_MODEL_DC_STORAGE_ENABLED", "AML_MODEL_DC_STORAGE",
		"AML_MODEL_DC_EVENT_HUB_ENABLED", "AML_MODEL_DC_EVENT_HUB", "MLMLCM_MODEL_LABELS", "SERVICE_PATH_PREFIX",
		"HOSTNAME", "HOME", "OLDPWD"}, name)
}
