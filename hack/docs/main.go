// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command docs writes the reference of the plugin's commands from the commands themselves, and that of Azure ML v1's
// files from the rules they are read by.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
)

func main() {
	dir := flag.String("o", "docs", "folder to write commands.md and azureml-v1.md to")
	check := flag.Bool("check", false, "write nothing, fail if a file is not up to date")
	flag.Parse()
	if err := run(*dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	// The reference must not tell of the machine it was written on: its environment sets defaults of flags.
	root := cmd.NewRoot(cmd.Env{
		Streams: genericiooptions.NewTestIOStreamsDiscard(),
		Clock:   clock.RealClock{},
		Getenv:  func(string) string { return "" },
		Dir:     ".",
		Holder:  "docs",
	})
	return errors.Join(
		write(filepath.Join(dir, "commands.md"), reference(root), check),
		write(filepath.Join(dir, "azureml-v1.md"), fieldReference(), check),
	)
}

// write writes a file, or tells whether it is up to date.
func write(file string, text []byte, check bool) error {
	if !check {
		return os.WriteFile(file, text, 0o644)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not what the code says: run make docs", file)
	}
	return nil
}
