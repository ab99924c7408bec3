// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// Of is the environment that a config asks for: its environment object, the old
// keys, or, when it has neither, what Azure ML took then. read reads the conda file
// and the Dockerfile steps that the old keys name, by the path that stands there. Findings say what
// cannot be built, and what was added or left out. When they have an error, the
// environment is not fit for use.
func Of(config amlv1.InferenceConfig, read func(path string) ([]byte, error)) (Environment, amlv1.Findings) {
	m := &maker{places: config.Places()}
	if config.Environment != nil {
		m.object(*config.Environment)
	} else {
		m.old(config, read)
	}
	m.check()
	return m.made, m.findings
}

// maker makes an environment of a file.
type maker struct {
	places   amlv1.Places
	made     Environment
	findings amlv1.Findings
	// packages finds those of the conda file; list is the field that has them.
	packages amlv1.Places
	list     string
	// base is the field that the image or the Dockerfile stands in.
	base string
}

func (m *maker) warn(field, format string, args ...any) {
	m.findings = append(m.findings, m.places.Warning(field, fmt.Sprintf(format, args...)))
}

func (m *maker) refuse(field, format string, args ...any) {
	m.findings = append(m.findings, m.places.Finding(field, fmt.Sprintf(format, args...)))
}

// object makes it of an environment object.
func (m *maker) object(e amlv1.Environment) {
	const field = "environment"
	m.base, m.packages, m.list = field+".docker.baseImage", m.places, field+".python.condaDependencies.dependencies"
	m.made = Environment{Name: e.Name, Dockerfile: e.Docker.BaseDockerfile, Platform: platform(e.Docker)}
	if e.Docker.BaseDockerfile == "" {
		m.image(e.Docker.BaseImage, e.Docker.BaseImageRegistry)
	} else {
		m.base = field + ".docker.baseDockerfile"
	}
	conda := e.Python.CondaDependencies
	m.made.UserManaged = e.Python.UserManagedDependencies != nil && *e.Python.UserManagedDependencies
	switch own := e.Docker.BaseImage != "" || e.Docker.BaseDockerfile != ""; {
	case m.made.UserManaged:
		m.userManaged(e, own)
	case conda == nil && own:
		m.made.Serving = true
		m.warn(field, "has no python.condaDependencies: the base's own Python and packages are taken, and %s is put "+
			"beside them; write userManagedDependencies true if the base has it", server)
	case conda == nil:
		m.made.defaults()
		m.warn(field, "has no python.condaDependencies: %s are taken, as in Azure ML; write those that the script needs",
			"Python 3.8.13 and azureml-defaults")
	default:
		m.conda(*conda)
	}
}

// userManaged is an environment whose base has the packages.
func (m *maker) userManaged(e amlv1.Environment, own bool) {
	const field = "environment.python."
	if !own {
		m.refuse(field+"userManagedDependencies", "is true without a base image that could have the packages: write "+
			"docker.baseImage too, or false")
	}
	if e.Python.CondaDependencies != nil {
		m.warn(field+"condaDependencies", "has no effect: userManagedDependencies is true, so the base has the packages")
	}
	m.made.Serving = e.InferencingStackVersion != ""
	if i := e.Python.InterpreterPath; strings.Contains(i, "/") {
		if !interpreter.MatchString(i) {
			m.refuse(field+"interpreterPath", "is no path of a Python in the image: write one such as /opt/conda/bin/python")
			return
		}
		m.made.Interpreter = path.Clean(i)
	}
}

var interpreter = regexp.MustCompile(`^/[A-Za-z0-9._+/-]+$`)

// image sets the base. As in Azure ML, the address of a registry goes before the
// name of the image.
func (m *maker) image(name string, login amlv1.ImageRegistry) {
	m.made.Base = cmp.Or(strings.TrimSpace(name), cpuImage)
	address := strings.TrimSuffix(strings.TrimPrefix(login.Address, "https://"), "/")
	if name != "" && address != "" && !strings.HasPrefix(m.made.Base, address+"/") {
		m.made.Base = address + "/" + strings.TrimPrefix(m.made.Base, "/")
	}
	m.made.Login = login
}

// platform is OS/ARCHITECTURE, empty when nothing is said.
func platform(d amlv1.Docker) string {
	if d.OS == "" && d.Architecture == "" {
		return ""
	}
	return strings.ToLower(cmp.Or(d.OS, "linux") + "/" + cmp.Or(d.Architecture, "amd64"))
}

// conda takes the packages of a conda file.
func (m *maker) conda(c amlv1.CondaDependencies) {
	m.made.Channels, m.made.Conda, m.made.Pip = c.Channels, c.Dependencies, c.Pip
	m.made.Serving = !c.HasServer()
	if len(c.Variables) > 0 {
		m.findings = append(m.findings, m.packages.Warning(strings.TrimSuffix(m.list, "dependencies")+"variables",
			"have no effect: write them in environmentVariables of the environment"))
	}
}

// old makes it of the old keys, or of nothing.
func (m *maker) old(config amlv1.InferenceConfig, read func(path string) ([]byte, error)) {
	// Azure ML made no environment of steps, but images of another kind: here they
	// are those of a Dockerfile that begins with the base.
	steps := config.Old.ExtraDockerfileSteps
	if config.Old.Runtime != "" {
		config.Old.ExtraDockerfileSteps = ""
	}
	old, findings := config.OldEnvironment()
	m.findings = append(m.findings, findings...)
	m.base = "baseImage"
	switch old.Base {
	case amlv1.OwnBaseImage:
		m.image(old.Image, old.Registry)
	case amlv1.GPUBaseImage:
		m.made.Base = gpuImage
	case amlv1.CUDA9BaseImage:
		m.made.Base = cuda9Image
	default:
		m.made.Base = cpuImage
	}
	if steps != "" && config.Old.Runtime != "" {
		m.steps(steps, read)
	}
	if old.CondaFile != "" {
		m.file(old.CondaFile, read)
		return
	}
	m.made.defaults()
	if old.Base == amlv1.NoBaseImage {
		m.warn("environment", "is not there: %s with Python 3.8.13 and azureml-defaults is taken, as in Azure ML; write "+
			"one with the packages that the script needs", cpuImage)
	}
}

// steps puts Dockerfile steps upon the base.
func (m *maker) steps(name string, read func(path string) ([]byte, error)) {
	const field = "extraDockerfileSteps"
	text, err := read(name)
	if err != nil {
		m.refuse(field, "%s cannot be read: %v", name, err)
		return
	}
	m.base, m.made.Dockerfile, m.made.Base = field, "FROM "+m.made.Base+"\n"+string(text), ""
}

// file takes the packages of a conda file on its own.
func (m *maker) file(name string, read func(path string) ([]byte, error)) {
	text, err := read(name)
	if err != nil {
		m.refuse("condaFile", "%s cannot be read: %v", name, err)
		return
	}
	conda, places, findings := amlv1.ReadConda(name, text)
	m.findings = append(m.findings, findings...)
	m.packages, m.list = places, "dependencies"
	m.conda(conda)
	if m.made.Serving {
		m.findings = append(m.findings, places.Warning("dependencies", "have no pip package azureml-defaults, which "+
			"brings the scoring server: "+server+" is added"))
	}
}

// check tells of every text that no Dockerfile can be made of.
func (m *maker) check() {
	before := len(m.findings)
	for i, line := range m.made.Pip {
		if _, why := parseRequirement(line); why != "" {
			m.refusePackage(fmt.Sprintf("%s.pip[%d]", m.list, i), line, why)
		}
	}
	for i, spec := range m.made.Conda {
		if _, why := parseConda(spec); why != "" {
			m.refusePackage(fmt.Sprintf("%s[%d]", m.list, i), spec, why)
		}
	}
	for i, channel := range m.made.Channels {
		if _, why := parseChannel(channel); why != "" {
			m.refusePackage(fmt.Sprintf("%s[%d]", m.channels(), i), channel, why)
		}
	}
	if _, err := m.made.dockerfile(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			m.refuse(m.base, "%s", line)
		}
	}
	p, err := m.made.packages()
	if err != nil && len(m.findings) == before {
		m.refuse(m.base, "%v", err)
	}
	if m.made.Serving && p.hashed {
		m.findings = append(m.findings, m.packages.Warning(m.list, "have hashes, so pip takes nothing without one: "+server+
			" is not added, write it with its own"))
	}
	if slices.ContainsFunc(m.made.Pip, password.MatchString) {
		m.findings = append(m.findings, m.packages.Warning(m.list, "have a URL with a password, which everybody reads who "+
			"has the image: write the index in a pip.conf instead"))
	}
	if slices.ContainsFunc(slices.Concat(m.made.Channels, m.made.Conda), secretChannel.MatchString) {
		m.findings = append(m.findings, m.packages.Warning(m.channels(), "have a URL with a password or a token, which "+
			"everybody reads who has the image: write a channel that wants none, such as a mirror's"))
	}
}

// channels is the field that has those of the conda file.
func (m *maker) channels() string { return strings.TrimSuffix(m.list, "dependencies") + "channels" }

// password is found in a URL; secretChannel in the URL of a channel, where a token
// stands in the path.
var (
	password      = regexp.MustCompile(`://[^/@\s]*:[^/@\s]*@`)
	secretChannel = regexp.MustCompile(`://[^/@\s]*:[^/@\s]*@|://[^/\s]+/t/[^/\s]+/`)
)

func (m *maker) refusePackage(field, text, why string) {
	m.findings = append(m.findings, m.packages.Finding(field, fmt.Sprintf("%q %s", text, why)))
}
