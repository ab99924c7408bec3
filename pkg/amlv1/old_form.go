// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

// OldForm has the keys that describe an environment in old files.
type OldForm struct {
	Runtime string
	// CondaFile and ExtraDockerfileSteps are paths like EntryScript.
	CondaFile            string
	ExtraDockerfileSteps string
	EnableGPU            *bool
	CUDAVersion          string
	BaseImage            string
	BaseImageRegistry    ImageRegistry
}

// BaseImage is the kind of base image that an old file asks for.
type BaseImage string

// The base images of Azure ML, and the file's own.
const (
	// NoBaseImage is asked for by a file that has none of the old keys.
	NoBaseImage BaseImage = ""
	// OwnBaseImage is baseImage, onto which the serving stack is to be put.
	OwnBaseImage BaseImage = "own"
	// CPUBaseImage and GPUBaseImage are the default images of the release of
	// Azure ML, without and with CUDA; CUDA9BaseImage is an old one with CUDA 9.0.
	CPUBaseImage   BaseImage = "cpu"
	GPUBaseImage   BaseImage = "gpu"
	CUDA9BaseImage BaseImage = "cuda 9.0"
)

// OldEnvironment is what an old file says about the environment.
type OldEnvironment struct {
	Base BaseImage
	// Image and Registry are only set for OwnBaseImage.
	Image    string
	Registry ImageRegistry
	// CondaFile is a path like EntryScript. Empty for the packages that Azure ML
	// took by default: Python 3.8 and azureml-defaults.
	CondaFile string
}

// OldEnvironment makes an environment of the old keys, by the rule of Azure ML.
// What that rule leaves to the images that came before environments is refused,
// as AksEndpoint did: a runtime other than "python", spelled so; Dockerfile
// steps; CUDA 9.1; and a base image together with a choice of CUDA. Keys that
// have no effect without a runtime are warned of.
func (c InferenceConfig) OldEnvironment() (OldEnvironment, Findings) {
	o := c.Old
	if o.Runtime == "" && o.CondaFile == "" && o.ExtraDockerfileSteps == "" {
		return OldEnvironment{}, c.withoutRuntime()
	}
	findings := c.notConverted()
	out := OldEnvironment{Base: CPUBaseImage, CondaFile: o.CondaFile}
	switch {
	case o.BaseImage != "":
		out.Base, out.Image, out.Registry = OwnBaseImage, o.BaseImage, o.BaseImageRegistry
	case truth(o.EnableGPU) || o.CUDAVersion == "10.0":
		out.Base = GPUBaseImage
	case o.CUDAVersion == "9.0":
		out.Base = CUDA9BaseImage
	}
	return out, findings.sorted()
}

func (c InferenceConfig) notConverted() Findings {
	o := c.Old
	var findings Findings
	if o.Runtime != "python" {
		findings = append(findings, c.source.finding("runtime", `must be "python" for an environment to be made of the `+
			`old keys: write "python"`))
	}
	if o.ExtraDockerfileSteps != "" {
		findings = append(findings, c.source.finding("extraDockerfileSteps", "cannot be made part of an environment: "+
			"write an environment with these steps in docker.baseDockerfile"))
	}
	if o.CUDAVersion == "9.1" {
		findings = append(findings, c.source.finding("cudaVersion", `has no image for 9.1: write "10.0"`))
	}
	if o.BaseImage != "" && (truth(o.EnableGPU) || o.CUDAVersion != "") {
		findings = append(findings, c.source.finding("baseImage",
			"cannot be given together with enableGpu or cudaVersion: the image brings its own CUDA, remove them"))
	}
	return findings
}

// withoutRuntime warns of the keys that Azure ML passed over without a runtime.
func (c InferenceConfig) withoutRuntime() Findings {
	var findings Findings
	for _, key := range c.oldKeys() {
		findings = append(findings, c.source.warning(key, `has no effect without runtime, as in Azure ML: `+
			`write "runtime": "python" too`))
	}
	return findings.sorted()
}

// oldKeys are the keys of the old form that ask for something.
func (c InferenceConfig) oldKeys() []string {
	o := c.Old
	var keys []string
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"runtime", o.Runtime != ""}, {"condaFile", o.CondaFile != ""},
		{"extraDockerfileSteps", o.ExtraDockerfileSteps != ""}, {"enableGpu", truth(o.EnableGPU)},
		{"cudaVersion", o.CUDAVersion != ""}, {"baseImage", o.BaseImage != ""},
	} {
		if k.given {
			keys = append(keys, k.name)
		}
	}
	return keys
}
