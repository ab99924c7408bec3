// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"regexp"
	"strings"
)

// InferenceConfig is what an inferenceconfig.json says. Empty texts and nil
// pointers are keys that are absent.
type InferenceConfig struct {
	// EntryScript is the path of the score script: inside SourceDirectory when
	// that is given, else from the working directory.
	EntryScript string
	// SourceDirectory is the folder that goes into the container, from the
	// working directory. Empty for the entry script alone.
	SourceDirectory string

	// Environment is nil when the file has none.
	Environment *Environment

	// Old is the form that came before Environment. Never set together with it.
	Old OldForm

	source *source
}

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

// Environment is the environment object: what the code runs in.
type Environment struct {
	Name, Version string
	// Variables are the environmentVariables; numbers and bools as they were written.
	Variables map[string]string
	Python    Python
	Docker    Docker
	// InferencingStackVersion is "latest" when the serving stack has to be put
	// onto a base image that lacks it.
	InferencingStackVersion string
}

// Python is the python block of an environment.
type Python struct {
	// UserManagedDependencies is true when the image has everything already.
	UserManagedDependencies *bool
	InterpreterPath         string
	// CondaDependencies is nil when there are none.
	CondaDependencies *CondaDependencies
	// CondaDependenciesFile is passed on; it is not read.
	CondaDependenciesFile string
	BaseCondaEnvironment  string
}

// CondaDependencies is a conda file written inline.
type CondaDependencies struct {
	Name     string
	Channels []string
	// Dependencies are conda packages, such as "python=3.8".
	Dependencies []string
	// Pip are the packages below dependencies' "pip".
	Pip       []string
	Prefix    string
	Variables map[string]string
}

// Docker is the docker block of an environment.
type Docker struct {
	BaseImage string
	// BaseDockerfile is the text of a Dockerfile, not a path.
	BaseDockerfile    string
	BaseImageRegistry ImageRegistry
	// OS is "Linux" and Architecture "amd64", in any case, or empty.
	OS, Architecture string
	ShmSize          string
	Arguments        []string
}

// ImageRegistry says how to log in to the registry of a base image.
type ImageRegistry struct {
	Address, Username, Password string
}

// String hides the password.
func (r ImageRegistry) String() string { return r.Address }

// GoString hides the password.
func (r ImageRegistry) GoString() string { return r.Address }

// ReadInferenceConfig reads an inferenceconfig.json, which may be YAML. file is
// the name used in findings. The old form (runtime, condaFile, …) is read too.
// Whether the files it names exist is told by Resolve. When the findings have
// an error, the config holds what could be read and is not fit for use.
func ReadInferenceConfig(file string, src []byte) (InferenceConfig, Findings) {
	c := InferenceConfig{source: newSource(file)}
	root, findings := parse(c.source, src)
	if root == nil {
		return c, findings
	}
	r := reader[InferenceConfig]{source: c.source, rules: inferenceRules(), target: &c}
	r.object("", root)
	findings = append(findings, r.findings...)
	findings = append(findings, c.readEnvironment(root.get("environment"))...)
	findings = append(findings, check(c.source, inferenceRules(), "", &c)...)
	return c, append(findings, c.checkForms(root)...).sorted()
}

func (c *InferenceConfig) readEnvironment(n *node) Findings {
	if n == nil || n.kind == nullKind {
		return nil
	}
	if n.kind != objectKind {
		return Findings{c.source.finding("environment", "must be an object, not "+n.describe()+
			`: write the environment in full, {"name": …, "docker": …, "python": …}`)}
	}
	c.Environment = &Environment{}
	r := reader[Environment]{source: c.source, rules: environmentRules(), prefix: "environment", nulls: true,
		target: c.Environment}
	r.object("", n)
	findings := append(r.findings, check(c.source, environmentRules(), "environment", c.Environment)...)
	findings = append(findings, c.readConda(n.get("python").get("condaDependencies"))...)
	return append(findings, c.checkEnvironment()...)
}

// checkForms refuses both forms at once, and an entry script that is missing.
func (c *InferenceConfig) checkForms(root *node) Findings {
	var findings Findings
	if c.EntryScript == "" && root.get("entryScript").absent() {
		findings = append(findings, c.source.finding("entryScript",
			`is required: write the path of the score script, such as "score.py"`))
	}
	if c.Environment != nil {
		for _, key := range []string{
			"runtime", "condaFile", "extraDockerfileSteps", "enableGpu", "cudaVersion", "baseImage",
		} {
			if !root.get(key).absent() {
				findings = append(findings, c.source.finding(key,
					"cannot be given together with environment: move it into environment and remove it here"))
			}
		}
	}
	return append(findings, checkRegistry(c.source, "baseImageRegistry", c.Old.BaseImageRegistry)...)
}

// absent tells whether a scalar key is missing, null or empty.
func (n *node) absent() bool {
	return n == nil || n.kind == nullKind || n.kind == textKind && n.text == ""
}

func (c *InferenceConfig) checkEnvironment() Findings {
	const docker = "environment.docker."
	var findings Findings
	e := c.Environment
	if e.Docker.BaseImage != "" && e.Docker.BaseDockerfile != "" {
		findings = append(findings, c.source.finding(docker+"baseDockerfile",
			"cannot be given together with baseImage: remove one of the two"))
	}
	findings = append(findings, checkRegistry(c.source, docker+"baseImageRegistry", e.Docker.BaseImageRegistry)...)
	for name := range e.Variables {
		path := "environment.environmentVariables." + name
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			findings = append(findings, c.source.finding(path, `must be a name without "=": rename the variable`))
		case oneOfFold(name, "AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY", "AZUREML_MODEL_DIR"):
			f := c.source.finding(path, "is set by the deployment, this value has no effect: remove it")
			f.Warning = true
			findings = append(findings, f)
		}
	}
	return findings
}

func checkRegistry(s *source, path string, r ImageRegistry) Findings {
	given := 0
	for _, v := range []string{r.Address, r.Username, r.Password} {
		if v != "" {
			given++
		}
	}
	// An address alone is a registry that needs no login.
	if given == 0 || given == 3 || given == 1 && r.Address != "" {
		return nil
	}
	return Findings{s.finding(path, "must have address, username and password: write all three")}
}

var azuremlDefaults = regexp.MustCompile(`(?i)^azureml[-_.]defaults\b`)
