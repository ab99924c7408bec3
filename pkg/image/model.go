// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Model is a model that lies on this machine, or in a registry.
type Model struct {
	// Name has 1 to 255 letters, digits, "-", "." and "_".
	Name string
	// Version counts from 1; 0 is the highest that is registered, and of an artifact
	// that nobody named the one it says it is.
	Version int
	// Path is a file, a folder or oci://REFERENCE; empty for a registered model.
	Path string
}

// String is NAME:VERSION, or NAME for the highest version.
func (m Model) String() string {
	if m.Version == 0 {
		return m.Name
	}
	return m.Name + ":" + strconv.Itoa(m.Version)
}

// Label is NAME:VERSION for a registered model, and local/NAME:VERSION for one
// from this machine: a registered model of the same name may be another.
func (m Model) Label() string {
	if m.Path != "" {
		return endpoint.FromFile + m.String()
	}
	return m.String()
}

// The longest name that is guessed from a path, as in Azure ML.
const guessedName = 30

var (
	modelName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}$`)
	reference = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}:[0-9]+$`)
)

// ParseModel reads a model as it is written on the command line:
//
//	NAME:VERSION          a registered model
//	PATH                  the name is that of the file or folder, cut to 30
//	                      characters as in Azure ML; the version is 1
//	NAME                  the highest version of a registered model, when there
//	                      is no such path
//	oci://HOST/NAME:TAG   an artifact of the CNCF's model specification, of any
//	                      repository; also with @sha256:DIGEST
//	NAME=PATH             version 1; the path can be an artifact too
//	NAME:VERSION=PATH
//
// exists tells whether a path is there; it is only asked about what may be a
// NAME. The error is the end of a sentence that begins with the text, and says
// what to write.
func ParseModel(text string, exists func(path string) bool) (Model, error) {
	left, right, named := strings.Cut(text, "=")
	if named && !strings.ContainsAny(left, `/\`) {
		return parseNamed(text, left, right)
	}
	switch {
	case text == "":
		return Model{}, errors.New("is empty: write NAME:VERSION, PATH or NAME:VERSION=PATH")
	case strings.HasPrefix(text, artifactScheme):
		return parseArtifact(text)
	case strings.Contains(text, "://"):
		return Model{}, errors.New("is a URL: download it and write NAME:VERSION=PATH")
	case reference.MatchString(text):
		return parseReference(text)
	case modelName.MatchString(text) && !exists(text):
		return Model{Name: text}, nil
	}
	name := guessName(text)
	if !modelName.MatchString(name) {
		return Model{}, fmt.Errorf("gives no name: write NAME=%s, the name in letters, digits, -, . and _", text)
	}
	return Model{Name: name, Version: 1, Path: text}, nil
}

// ParseReference reads NAME or NAME:VERSION, a registered model. The error is as
// that of ParseModel.
func ParseReference(text string) (Model, error) {
	if modelName.MatchString(text) {
		return Model{Name: text}, nil
	}
	if !reference.MatchString(text) {
		return Model{}, errors.New("is no registered model: write NAME or NAME:VERSION, " +
			"the name in up to 255 letters, digits, -, . and _, the version a whole number from 1")
	}
	return parseReference(text)
}

func parseReference(text string) (Model, error) {
	name, number, _ := strings.Cut(text, ":")
	version, err := parseVersion(number)
	if err != nil {
		return Model{}, fmt.Errorf("has the version %q: write a whole number from 1, such as %s:1", number, name)
	}
	return Model{Name: name, Version: version}, nil
}

// parseVersion reads a whole number from 1.
func parseVersion(number string) (int, error) {
	version, err := strconv.ParseUint(number, 10, 31)
	if err == nil && version == 0 {
		err = strconv.ErrRange
	}
	return int(version), err
}

func parseNamed(text, left, right string) (Model, error) {
	name, number, versioned := strings.Cut(left, ":")
	m := Model{Name: name, Version: 1, Path: right}
	if _, ok := m.Artifact(); ok {
		if _, err := parseArtifact(right); err != nil {
			return Model{}, err
		}
	}
	switch {
	case !modelName.MatchString(name):
		return Model{}, fmt.Errorf("has the name %q: write NAME:VERSION=PATH, "+
			"the name in up to 255 letters, digits, -, . and _, not beginning with a sign", name)
	case right == "":
		return Model{}, fmt.Errorf("has no path: write %sPATH", text)
	case !versioned:
		return m, nil
	}
	version, err := parseVersion(number)
	if err != nil {
		return Model{}, fmt.Errorf("has the version %q: write a whole number from 1, such as %s:1=%s",
			number, name, right)
	}
	m.Version = version
	return m, nil
}

func guessName(text string) string {
	base := path.Base(strings.ReplaceAll(text, `\`, "/"))
	if base == "." || base == ".." || base == "/" {
		return ""
	}
	return base[:min(len(base), guessedName)]
}

func compareModels(a, b Model) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

const modelsRoot = endpoint.ModelsRoot

// modelDir is the value of AZUREML_MODEL_DIR: the folder of the only model, or
// the folder above all of them.
func modelDir(models []Model) string {
	switch len(models) {
	case 0:
		return ""
	case 1:
		return models[0].folder()
	default:
		return modelsRoot
	}
}

// folder is where the file or folder of the model is put.
func (m Model) folder() string {
	return path.Join(modelsRoot, m.Name, strconv.Itoa(m.Version))
}
