// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "strings"

// Remarks says of every value that is given and is not Azure ML's default what
// it means on Kubernetes, where that is something else. They are warnings: the
// config can be used.
func (c DeploymentConfig) Remarks() Findings {
	a, r, l := c.AutoScaler, c.ContainerResourceRequirements, c.LivenessProbeRequirements
	var found Findings
	remark := func(given bool, field, text string) {
		if given {
			found = append(found, c.source.warning(field, text))
		}
	}
	remark(other(a.TargetUtilization, 70), "autoScaler.targetUtilization",
		"is of the CPU requested here; in Azure ML it was the share of busy replicas")
	remark(other(a.RefreshPeriodInSeconds, 1), "autoScaler.refreshPeriodInSeconds",
		"has no effect: the cluster's own period holds, 15 seconds unless it was set otherwise")
	const gb = "is taken as GiB, 1024 MiB"
	remark(other(r.MemoryInGB, 0.5), "containerResourceRequirements.memoryInGB", gb)
	remark(r.MemoryInGBLimit != nil && !other(r.MemoryInGB, 0.5), "containerResourceRequirements.memoryInGBLimit", gb)
	remark(other(c.GPUCores, 0), "gpuCores", "are devices of the kind nvidia.com/gpu, whole ones")
	remark(other(l.InitialDelaySeconds, 310), "livenessProbeRequirements.initialDelaySeconds",
		"counts from when init() has returned; init() itself may take ten minutes, or as long as this if that is more")
	return found.sorted()
}

// other tells whether a value is given and is not the default.
func other[T comparable](value *T, standard T) bool { return value != nil && *value != standard }

// Remarks says of what describes an environment that it is not built here.
func (c InferenceConfig) Remarks() Findings {
	given := []struct {
		field string
		given bool
	}{
		{"runtime", c.Old.Runtime != "" && !strings.EqualFold(c.Old.Runtime, "python")},
		{"condaFile", c.Old.CondaFile != ""},
		{"extraDockerfileSteps", c.Old.ExtraDockerfileSteps != ""},
		{"enableGpu", truth(c.Old.EnableGPU)},
		{"cudaVersion", c.Old.CUDAVersion != ""},
		{"baseImage", c.Old.BaseImage != ""},
		{"baseImageRegistry", c.Old.BaseImageRegistry != ImageRegistry{}},
		{"environment", c.Environment != nil && !truth(c.Environment.Python.UserManagedDependencies)},
	}
	var found Findings
	for _, g := range given {
		if g.given {
			found = append(found, c.source.warning(g.field, "is not built into an image here: the environment image is "+
				"taken as it is, see that it has what the script needs"))
		}
	}
	return found.sorted()
}
