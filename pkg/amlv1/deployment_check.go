// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "fmt"

// Validate holds the values against their ranges and against each other, with
// the rules of Azure ML v1, and returns all findings. A config that was read
// is validated already; call it again after changing fields.
func (c DeploymentConfig) Validate() Findings {
	ranged := c
	if !truth(c.AutoScaler.AutoscaleEnabled) {
		// Azure ML had no ranges for what is not in use; other than 0 it is refused below.
		ranged.AutoScaler = AutoScaler{}
	}
	findings := check(c.source, rulesFor(c.ComputeType), "", &ranged)
	switch c.ComputeType {
	case ACI:
		return append(findings, c.checkContainer()...).sorted()
	case Local:
		return findings.sorted()
	}
	findings = append(findings, c.checkScaling()...)
	findings = append(findings, c.checkResources()...)
	if truth(c.AuthEnabled) && truth(c.TokenAuthEnabled) {
		findings = append(findings, c.source.finding("tokenAuthEnabled",
			"cannot be on together with authEnabled: set one of the two to false"))
	}
	if n := c.LivenessProbeRequirements.SuccessThreshold; n != nil && *n > 1 {
		findings = append(findings, c.source.warning("livenessProbeRequirements.successThreshold",
			fmt.Sprintf("is taken for 1, not %d: Kubernetes allows nothing else for a liveness probe: write 1", *n)))
	}
	if wrong := computeTargetName(c.ComputeTargetName); wrong != "" && c.ComputeTargetName != "" {
		findings = append(findings, c.source.warning("computeTargetName", fmt.Sprintf(
			"%s, not %q: no compute of Azure ML has such a name", wrong, short(c.ComputeTargetName))))
	}
	return findings.sorted()
}

func (c DeploymentConfig) checkScaling() Findings {
	a := c.AutoScaler
	on, off := truth(a.AutoscaleEnabled), a.AutoscaleEnabled != nil && !*a.AutoscaleEnabled
	var findings Findings
	if on && c.NumReplicas != nil && *c.NumReplicas > 0 {
		findings = append(findings, c.source.finding("numReplicas",
			"cannot be given while autoscaling is on: remove it, or set autoScaler.autoscaleEnabled to false"))
	}
	if off && c.NumReplicas == nil && !c.source.isRefused("numReplicas") {
		findings = append(findings, c.source.finding("numReplicas",
			"is required when autoscaling is off: write a whole number of replicas, such as 2"))
	}
	if !on && !c.source.isRefused("autoScaler.autoscaleEnabled") {
		for _, f := range []struct {
			key   string
			value *int
		}{
			{"minReplicas", a.MinReplicas}, {"maxReplicas", a.MaxReplicas},
			{"refreshPeriodInSeconds", a.RefreshPeriodInSeconds}, {"targetUtilization", a.TargetUtilization},
		} {
			if f.value != nil && *f.value != 0 {
				findings = append(findings, c.source.finding("autoScaler."+f.key,
					"has no meaning without autoscaling: set autoScaler.autoscaleEnabled to true, or remove it"))
			}
		}
	}
	if lo, hi := a.MinReplicas, a.MaxReplicas; lo != nil && hi != nil && *lo > *hi {
		findings = append(findings, c.source.finding("autoScaler.minReplicas",
			fmt.Sprintf("must not be more than maxReplicas, but %d is more than %d: write %[2]d or less", *lo, *hi)))
	}
	return findings
}

func (c DeploymentConfig) checkResources() Findings {
	r := c.ContainerResourceRequirements
	var findings Findings
	for _, f := range []struct {
		key, than      string
		limit, request *float64
	}{
		{"cpuLimit", "cpu", r.CPULimit, r.CPU},
		{"memoryInGBLimit", "memoryInGB", r.MemoryInGBLimit, r.MemoryInGB},
	} {
		field := "containerResourceRequirements." + f.key
		switch {
		case f.limit == nil || *f.limit < 0:
		case f.request != nil && *f.request > 0 && *f.limit < *f.request:
			findings = append(findings, c.source.finding(field,
				fmt.Sprintf("must not be less than %s, but %s is less than %s: write %[3]s or more",
					f.than, decimal(*f.limit), decimal(*f.request))))
		case *f.limit == 0:
			findings = append(findings, c.source.warning(field, "is taken for no limit, as Kubernetes has none of 0: "+
				"leave the key out"))
		}
	}
	return findings
}

func truth(b *bool) bool { return b != nil && *b }
