// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
)

// EnvironmentFiles are the files of an environment in its folder form, by their
// names, as they are kept and sent.
type EnvironmentFiles map[string][]byte

// OpenEnvironmentDirectory reads the files of an environment's folder, those that
// are there, as ReadEnvironmentDirectory does. What is in them, Environment tells.
func OpenEnvironmentDirectory(folder fs.FS) (EnvironmentFiles, error) {
	files := EnvironmentFiles{}
	for _, name := range EnvironmentFileNames() {
		text, err := readText(folder, name)
		switch {
		case err == nil:
			files[name] = text
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return files, nil
}

// EnvironmentFileNames are all files that such a folder can have, the definition
// first, then the conda file and the Dockerfile.
func EnvironmentFileNames() []string { return []string{definitionFile, condaFile, dockerfile} }

// Environment is what ReadEnvironmentDirectory makes of a folder with these files.
func (f EnvironmentFiles) Environment(dir string) (Environment, Findings) {
	return readEnvironmentFolder(dir, func(name string) ([]byte, error) {
		if text, ok := f[name]; ok {
			return text, nil
		}
		return nil, fs.ErrNotExist
	})
}

// Versioned are the same files with another version in the definition, which has to
// be one that can be read.
func (f EnvironmentFiles) Versioned(version string) (EnvironmentFiles, error) {
	definition, err := f.Definition()
	if err != nil {
		return nil, err
	}
	definition["version"] = version
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people go on with the text
	encoder.SetIndent("", "    ")
	if err := encoder.Encode(definition); err != nil {
		return nil, err
	}
	out := maps.Clone(f)
	out[definitionFile] = text.Bytes()
	return out, nil
}

// Definition is the definition as it stands in its file.
func (f EnvironmentFiles) Definition() (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(f[definitionFile]))
	decoder.UseNumber()
	var definition map[string]any
	if err := decoder.Decode(&definition); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", definitionFile, err)
	}
	if definition == nil {
		return nil, fmt.Errorf("%s cannot be read: it is null, and no object", definitionFile)
	}
	return definition, nil
}

// Conda is the text of the conda file, Dockerfile that of the Dockerfile; ok is
// false when there is none.
func (f EnvironmentFiles) Conda() (text []byte, ok bool) {
	text, ok = f[condaFile]
	return text, ok
}

// Dockerfile is described at Conda.
func (f EnvironmentFiles) Dockerfile() (text []byte, ok bool) {
	text, ok = f[dockerfile]
	return text, ok && len(bytes.TrimSpace(text)) > 0
}
