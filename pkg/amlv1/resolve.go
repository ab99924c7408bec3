// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Files is what Resolve asks about files. Names are absolute.
type Files interface {
	Stat(name string) (fs.FileInfo, error)
	// RealPath returns the name with all symbolic links followed.
	RealPath(name string) (string, error)
}

// Disk is the Files of this machine.
type Disk struct{}

// Stat is os.Stat.
func (Disk) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// RealPath is filepath.EvalSymlinks.
func (Disk) RealPath(name string) (string, error) { return filepath.EvalSymlinks(name) }

// Code is where the code of a deployment lies, and what it is called in the
// container.
type Code struct {
	// Directory is the absolute path of the folder that goes into the
	// container, under the app root with its own name. Empty for a script alone.
	Directory string
	// Script is the absolute path of the entry script.
	Script string
	// EntryScript is the value of AZUREML_ENTRY_SCRIPT, relative to the app root.
	EntryScript string
	// SourceDirectory is the value of AZUREML_SOURCE_DIRECTORY, relative to the
	// app root; empty for a script alone.
	SourceDirectory string
	// CondaFile and ExtraDockerfileSteps are the absolute paths of those files
	// of the old form; empty when not given.
	CondaFile            string
	ExtraDockerfileSteps string
}

// Resolve finds the files that c names and checks that they are there and can
// be served. base is the absolute path of the folder that paths are relative to.
// In Azure ML that was the working directory of the command, wherever c was read
// from; the folder of the file c was read from is the other choice.
func (c InferenceConfig) Resolve(files Files, base string) (Code, Findings) {
	r := resolver{files: files, config: c, base: base}
	if c.SourceDirectory != "" {
		r.sourceDirectory()
	}
	if c.EntryScript != "" && len(r.findings) == 0 {
		r.entryScript()
	}
	r.code.CondaFile = r.file("condaFile", c.Old.CondaFile)
	r.code.ExtraDockerfileSteps = r.file("extraDockerfileSteps", c.Old.ExtraDockerfileSteps)
	return r.code, r.findings
}

// InImage is the code of an image that has it already: nothing is looked for on
// this machine, and there is no Script.
func (c InferenceConfig) InImage() Code {
	name := path.Base(filepath.ToSlash(c.SourceDirectory))
	if name == "." || name == ".." || name == "/" {
		return Code{EntryScript: filepath.ToSlash(c.EntryScript)}
	}
	return Code{EntryScript: name + "/" + filepath.ToSlash(c.EntryScript), SourceDirectory: name}
}

type resolver struct {
	files  Files
	config InferenceConfig
	// base is the folder that files are looked up in.
	base     string
	code     Code
	findings Findings
}

func (r *resolver) report(field, value, format string, args ...any) {
	r.findings = append(r.findings, r.config.source.valueFinding(field, value, fmt.Sprintf(format, args...)))
}

func (r *resolver) sourceDirectory() {
	const field = "sourceDirectory"
	given := r.config.SourceDirectory
	path := within(r.base, given)
	info, err := r.files.Stat(path)
	switch {
	case err != nil:
		r.report(field, given, "%s %s: write a folder that is there; the path is taken from %s",
			path, missing(err), r.base)
		return
	case !info.IsDir():
		r.report(field, given, "%s is a file, not a folder: write the folder that the score script is in", path)
		return
	}
	real, err := r.files.RealPath(path)
	if err != nil {
		r.report(field, given, "%s cannot be followed to a folder: %v", path, err)
		return
	}
	name := filepath.Base(real)
	if name == string(filepath.Separator) || name == "." || name == modelsFolder {
		r.report(field, given, "%s cannot be packed under the name %q: write a folder of another name", real, name)
		return
	}
	r.base = real
	r.code.Directory, r.code.SourceDirectory = real, name
}

// modelsFolder is where the models are in the container, beside the code.
const modelsFolder = "azureml-models"

func (r *resolver) entryScript() {
	const field = "entryScript"
	given := r.config.EntryScript
	path := within(r.base, given)
	info, err := r.files.Stat(path)
	switch {
	case strings.HasSuffix(given, "/"):
		r.report(field, given, "must be a Python script, not a folder: write the path without the / at its end")
		return
	case err != nil && strings.Contains(given, `\`):
		r.report(field, given, "%s %s: write / between folders", path, missing(err))
		return
	case err != nil:
		r.report(field, given, "%s %s: write the path of the score script from %s", path, missing(err), r.from())
		return
	case info.IsDir():
		r.report(field, given, "%s is a folder: write the path of the score script in it", path)
		return
	}
	if folder, err := r.passed(given); err != nil {
		r.report(field, given, "goes through %s, which %s: write the path without ..", folder, missing(err))
		return
	}
	if wrong := scriptName(filepath.Base(path)); wrong != "" {
		r.report(field, given, "%s", wrong)
	}
	if real, err := r.files.RealPath(filepath.Dir(path)); err == nil && filepath.IsAbs(given) {
		path = filepath.Join(real, filepath.Base(path))
	}
	r.code.Script = path
	if r.code.Directory == "" {
		r.code.EntryScript = filepath.Base(path)
		return
	}
	relative, err := filepath.Rel(r.base, path)
	if err != nil || relative == ".." || strings.HasPrefix(relative, ".."+string(filepath.Separator)) {
		r.report(field, given, "%s is outside sourceDirectory %s and would not be in the container: move it there",
			path, r.base)
		return
	}
	// As given, not cleaned: that is what Azure ML put into the variable.
	if !filepath.IsAbs(given) {
		relative = given
	}
	r.code.EntryScript = r.code.SourceDirectory + "/" + filepath.ToSlash(relative)
}

// passed returns a folder that a path leaves by ".." and that is not there.
// The path leads nowhere then, even though it could be written shorter.
func (r *resolver) passed(given string) (string, error) {
	parts := strings.Split(given, "/")
	for i := range parts {
		if i > 0 && parts[i] == ".." {
			folder := within(r.base, strings.Join(parts[:i], "/"))
			if _, err := r.files.Stat(folder); err != nil {
				return folder, err
			}
		}
	}
	return "", nil
}

func (r *resolver) from() string {
	if r.code.Directory != "" {
		return "sourceDirectory"
	}
	return r.base
}

func (r *resolver) file(field, given string) string {
	if given == "" || r.config.SourceDirectory != "" && r.code.Directory == "" {
		return ""
	}
	path := within(r.base, given)
	if info, err := r.files.Stat(path); err != nil {
		r.report(field, given, "%s %s: write a path from %s", path, missing(err), r.from())
	} else if info.IsDir() {
		r.report(field, given, "%s is a folder: write the path of a file", path)
	}
	return path
}

func within(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

func missing(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "does not exist"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Sprintf("cannot be read (%v)", err)
}

var identifier = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*$`)

// scriptName says what is wrong with the name of a score script, which is
// imported as a Python module.
func scriptName(name string) string {
	module, ok := strings.CutSuffix(name, ".py")
	switch {
	case !ok:
		return fmt.Sprintf("must be a Python script, but %s does not end in .py: write a script such as score.py", name)
	case !identifier.MatchString(module):
		return fmt.Sprintf("%s cannot be imported, %q is not a Python identifier: rename it, to score.py for example",
			name, module)
	case slices.Contains(pythonKeywords(), module):
		return fmt.Sprintf("%s cannot be imported, %q is a Python keyword: rename it, to score.py for example", name, module)
	}
	return ""
}

func pythonKeywords() []string {
	return strings.Fields(`False None True and as assert async await break class continue def del elif else except
		finally for from global if import in is lambda nonlocal not or pass raise return try while with yield`)
}
