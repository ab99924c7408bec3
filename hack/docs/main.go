// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command docs writes the reference of the plugin's commands from the commands themselves.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
)

func main() {
	file := flag.String("o", "docs/commands.md", "file to write")
	check := flag.Bool("check", false, "write nothing, fail if the file is not up to date")
	flag.Parse()
	if err := run(*file, *check); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(file string, check bool) error {
	// The reference must not tell of the machine it was written on: its environment sets defaults of flags.
	root := cmd.NewRoot(cmd.Env{
		Streams: genericiooptions.NewTestIOStreamsDiscard(),
		Clock:   clock.RealClock{},
		Getenv:  func(string) string { return "" },
		Dir:     ".",
		Holder:  "docs",
	})
	text := reference(root)
	if !check {
		return os.WriteFile(file, text, 0o644)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not what the commands say of themselves: run make docs", file)
	}
	return nil
}
