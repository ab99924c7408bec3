// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package step

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// newTry is an empty folder for a try at the step with that folder. What
// earlier tries have left is removed; the name is new, since a program of a try
// that was killed may still be writing.
func newTry(done string) (string, error) {
	left, err := filepath.Glob(done + ".try*")
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		if err := remove(dir); err != nil {
			return "", fmt.Errorf("remove what an earlier try has left: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(done), 0o755); err != nil {
		return "", err
	}
	try, err := os.MkdirTemp(filepath.Dir(done), filepath.Base(done)+".try")
	if err != nil {
		return "", err
	}
	return try, os.Chmod(try, 0o755)
}

// removeOlder removes the results of the step whose folders begin with that path.
func removeOlder(path string) error {
	older, err := filepath.Glob(path + "-" + strings.Repeat("[0-9a-f]", keyLength))
	for _, dir := range older {
		err = errors.Join(err, remove(dir))
	}
	return err
}

// remove deletes a folder and all in it, but nothing that is mounted there: a
// killed debootstrap leaves /proc mounted in its root.
func remove(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, point := range mountsBelow(string(mounts), dir) {
		if out, err := exec.Command("umount", "--lazy", point).CombinedOutput(); err != nil {
			return fmt.Errorf("umount %s: %s", point, strings.TrimSpace(string(out)))
		}
	}
	return os.RemoveAll(dir)
}

// mountsBelow are the mount points below a folder, the last mounted first.
func mountsBelow(mounts, dir string) []string {
	var points []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			points = append(points, fields[1])
		}
	}
	slices.Reverse(points)
	return points
}
