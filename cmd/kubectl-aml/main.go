// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command kubectl-aml is the kubectl plugin: kubectl aml.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
)

func main() { os.Exit(run(os.Args)) }

func run(argv []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	args := argv[1:]
	// kubectl looks for completions of a plugin in a program of this name.
	if strings.HasPrefix(filepath.Base(argv[0]), "kubectl_complete-aml") {
		args = append([]string{"__complete"}, args...)
	}
	err := cmd.Execute(ctx, args)
	if message := cmd.Message(err); message != "" {
		fmt.Fprintln(os.Stderr, "error: "+message)
	}
	return cmd.ExitCode(err)
}
