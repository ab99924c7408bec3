// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const dropped = "CAP_SYS_RESOURCE"

// specFile is the file in which these arguments of runc ask for capabilities:
// the bundle's config.json for create and run, the process file for exec; ""
// for any other command.
func specFile(args []string) string {
	command := slices.IndexFunc(args, func(arg string) bool {
		return arg == "create" || arg == "run" || arg == "exec"
	})
	switch {
	case command < 0:
		return ""
	case args[command] == "exec":
		return option(args[command+1:], "process", "p")
	}
	return filepath.Join(option(args[command+1:], "bundle", "b"), "config.json")
}

// option is the value of an option of runc, in any of the ways to write it.
func option(args []string, long, short string) string {
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if name != "--"+long && name != "-"+long && name != "-"+short {
			continue
		}
		if joined {
			return value
		}
		if i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func rewrite(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	spec, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	stripped, err := strip(spec)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, stripped, info.Mode().Perm())
}

// strip takes the dropped capability out of every capability set of an OCI
// configuration or process, and leaves all else as it is.
func strip(spec []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(spec))
	decoder.UseNumber() // device numbers and limits must not pass through a float
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	process := document
	if inner, ok := document["process"].(map[string]any); ok {
		process = inner
	}
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, set := range sets {
			if list, ok := set.([]any); ok {
				sets[name] = slices.DeleteFunc(list, func(c any) bool { return c == dropped })
			}
		}
	}
	return json.Marshal(document)
}
