// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// ErrCannotBootstrap says that this machine cannot make a Debian root.
var ErrCannotBootstrap = errors.New("a Debian root file system needs root on Debian")

// Bootstrap makes the minimal Debian of that suite with these packages, from
// the mirror that apt is set to.
func Bootstrap(ctx context.Context, store *step.Store, suite string, packages ...string) (Root, error) {
	slices.Sort(packages)
	include := strings.Join(packages, ",")
	dir, err := store.Run(ctx, step.Step{
		Name: "node image: debian " + suite, Inputs: []string{"debootstrap", suite, include},
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			if !engine.CanInstall() {
				return ErrCannotBootstrap
			}
			mirror, err := Mirror("/etc/apt", suite)
			if err != nil {
				return err
			}
			if err := ensureDebootstrap(ctx, log); err != nil {
				return err
			}
			return engine.Command(ctx, log, "debootstrap", "--variant=minbase", "--include="+include,
				suite, filepath.Join(dir, "root"), mirror)
		},
	})
	return Root(filepath.Join(dir, "root")), err
}

func ensureDebootstrap(ctx context.Context, log io.Writer) error {
	if _, err := exec.LookPath("debootstrap"); err == nil {
		return nil
	}
	if err := engine.Command(ctx, log, "apt-get", "update", "-qq"); err != nil {
		return fmt.Errorf("install debootstrap: %w", err)
	}
	return engine.Command(ctx, log, "env", "DEBIAN_FRONTEND=noninteractive",
		"apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap")
}
