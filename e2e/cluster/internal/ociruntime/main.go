// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command ociruntime is runc for machines without CAP_SYS_RESOURCE: it takes
// that capability out of what a container asks for, then becomes runc. Older
// engines ask for every capability where a container is privileged, and runc
// refuses to give what the machine does not have.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oci runtime:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if path := specFile(args); path != "" {
		if err := rewrite(path); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}
