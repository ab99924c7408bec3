// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
)

// The files of an environment in its folder form.
const (
	definitionFile = "azureml_environment.json"
	condaFile      = "conda_dependencies.yml"
	dockerfile     = "BaseDockerfile"
)

// ReadEnvironmentDirectory reads an environment in its folder form, as Azure ML
// saved it: azureml_environment.json, which has to be there and is JSON, and
// conda_dependencies.yml and BaseDockerfile, which go before what it says. Each has
// 1 MiB at most. dir is the name of the folder in findings. When the findings have
// an error, the environment holds what could be read and is not fit for use.
func ReadEnvironmentDirectory(dir string, folder fs.FS) (Environment, Findings) {
	return readEnvironmentFolder(dir, func(name string) ([]byte, error) { return readText(folder, name) })
}

// longestText is the most that one of the files may have: they are written by people.
const longestText = 1 << 20

// readText reads a file of the folder. It refuses a pipe, which may never end, and
// what is longer than people write.
func readText(folder fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(folder, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is no file")}
	case info.Size() > longestText:
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it has more than 1 MiB")}
	}
	return fs.ReadFile(folder, name)
}

func readEnvironmentFolder(dir string, readFile func(name string) ([]byte, error)) (Environment, Findings) {
	r := directoryReader{dir: dir, readFile: readFile}
	r.definition()
	r.conda()
	r.dockerfile()
	return r.environment, r.findings
}

type directoryReader struct {
	dir         string
	readFile    func(name string) ([]byte, error)
	environment Environment
	findings    Findings
	// definitionSource and root are the file with the environment object; root
	// is nil when it cannot be read.
	definitionSource *source
	root             *node
}

// read returns the text of a file, and false when it is not there or cannot be
// read.
func (r *directoryReader) read(name string) (*source, []byte, bool) {
	s := newSource(path.Join(r.dir, name))
	text, err := r.readFile(name)
	switch {
	case err == nil:
		return s, text, true
	case !errors.Is(err, fs.ErrNotExist):
		r.add(Finding{File: s.file, Message: missing(err) + ": write a file that can be read"})
	case name == definitionFile:
		r.add(Finding{File: s.file, Message: "does not exist: give the folder that has it, as Azure ML saved it"})
	}
	return s, nil, false
}

func (r *directoryReader) add(findings ...Finding) {
	r.findings = append(r.findings, Findings(findings).sorted()...)
}

func (r *directoryReader) definition() {
	s, text, ok := r.read(definitionFile)
	r.definitionSource = s
	if !ok {
		return
	}
	root, findings := parseAs(s, text, parseStrictJSON)
	if root != nil {
		var found Findings
		r.root = root
		r.environment, found = readEnvironment(s, "", root)
		findings = append(findings, found...)
	}
	r.add(findings...)
}

func (r *directoryReader) conda() {
	s, text, ok := r.read(condaFile)
	if !ok {
		r.add(r.environment.checkPackages(r.definitionSource, "python.condaDependencies")...)
		return
	}
	root, findings := parseAs(s, text, parseYAMLAlone)
	if root != nil {
		var found Findings
		r.environment.Python.CondaDependencies, found = readConda(s, "", root)
		findings = append(append(findings, found...), r.environment.checkPackages(s, "")...)
	}
	r.root = nil
	r.add(findings...)
}

func (r *directoryReader) dockerfile() {
	_, text, ok := r.read(dockerfile)
	if ok && len(bytes.TrimSpace(text)) > 0 {
		// The image is not refused beside it, as in Azure ML: the file goes before it.
		r.environment.Docker.BaseDockerfile, r.environment.Docker.BaseImage = string(text), ""
		return
	}
	if r.root != nil {
		r.add(r.environment.checkContent(r.definitionSource, "", r.root)...)
	}
	r.add(r.environment.checkImage(r.definitionSource, "docker.baseDockerfile")...)
}
