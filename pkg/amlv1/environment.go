// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"strings"
)

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
	// CondaDependenciesFile and BaseCondaEnvironment are passed on; no such file
	// is read, here as in Azure ML.
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

// writeInFull is what can be done about an environment of a file that has nothing in
// it.
const writeInFull = "write it in full, with docker and python, or remove it here and give the name of a registered " +
	"one with --environment-name, its folder with --environment-directory, or an image that has everything with " +
	"--environment-image"

func referenced(name, version string) string {
	if version != "" {
		name += ":" + version
	}
	return fmt.Sprintf("%q is only the name of an environment: ", short(name))
}

// readEnvironment reads an environment object, which prefix leads to. What is to
// be said of the finished environment, checkImage and checkPackages say.
func readEnvironment(s *source, prefix string, n *node) (Environment, Findings) {
	e := Environment{}
	r := reader[Environment]{source: s, rules: environmentRules(), prefix: prefix, nulls: true, target: &e}
	r.object("", n)
	findings := append(r.findings, check(s, environmentRules(), prefix, &e)...)
	findings = append(findings, checkRegistry(s, join(prefix, "docker.baseImageRegistry"), e.Docker.BaseImageRegistry)...)
	findings = append(findings, e.checkVariables(s, join(prefix, "environmentVariables"))...)
	if conda := n.get("python").get("condaDependencies"); conda != nil && conda.kind != nullKind {
		read, found := readConda(s, join(prefix, "python.condaDependencies"), conda)
		e.Python.CondaDependencies = read
		findings = append(findings, found...)
	}
	return e, findings
}

// checkContent refuses an environment that is empty or only named. n is its
// object.
func (e Environment) checkContent(s *source, prefix string, n *node) Findings {
	for _, entry := range n.entries {
		// Azure ML failed on a null in place of these two, and took any other key.
		section := entry.key == "python" || entry.key == "docker"
		if entry.key != "name" && entry.key != "version" && (!section || entry.value.kind != nullKind) {
			return nil
		}
	}
	if e.Name == "" {
		return Findings{s.finding(prefix, "has nothing in it: "+writeInFull)}
	}
	return Findings{s.finding(prefix, referenced(e.Name, e.Version)+writeInFull)}
}

// checkImage refuses two base images. dockerfile is the field of the second.
func (e Environment) checkImage(s *source, dockerfile string) Findings {
	if e.Docker.BaseImage == "" || e.Docker.BaseDockerfile == "" {
		return nil
	}
	return Findings{s.finding(dockerfile, "cannot be given together with baseImage: remove one of the two")}
}

func (e Environment) checkVariables(s *source, path string) Findings {
	var findings Findings
	for name := range e.Variables {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			findings = append(findings, s.finding(join(path, name), `must be a name without "=": rename the variable`))
		case oneOfFold(name, "AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY", "AZUREML_MODEL_DIR"):
			findings = append(findings, s.warning(join(path, name),
				"is set by the deployment, this value has no effect: remove it"))
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
	return Findings{s.warning(path, "is no login without address, username and password: write all three")}
}
