// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const version = "v9.8.7"

// One release is built for this machine's platform, the way make builds it. krew's own validator accepts it, or
// there would be none.
func TestRelease(t *testing.T) {
	var log bytes.Buffer
	r := release{
		Version:     version,
		LinkerFlags: makefileFlags(t),
		Root:        "../..",
		Package:     "./cmd/kubectl-aml",
		Out:         t.TempDir(),
		Plugins:     filepath.Join(t.TempDir(), "plugins"),
		Platforms:   []platform{host()},
		Log:         &log,
	}
	if err := r.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.Out, host().Archive(version))
	manifest := filepath.Join(r.Out, "aml.yaml")

	t.Run("the_manifest_has_the_sum_of_the_archive", func(t *testing.T) {
		p, _ := readManifest(t, manifest)
		if got, want := p.Spec.Platforms[0].SHA256, sum(t, file); got != want {
			t.Errorf("manifest says %s, the archive's sum is %s", got, want)
		}
	})
	t.Run("the_list_of_sums_has_the_sum_of_the_archive", func(t *testing.T) {
		sums, err := os.ReadFile(filepath.Join(r.Out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(sums), sum(t, file)+"  "+filepath.Base(file)+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("the_archive_holds_the_licence_and_the_program", func(t *testing.T) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := listTar(content)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "LICENSE -rw-r--r-- ") ||
			!strings.HasPrefix(lines[1], "kubectl-aml -rwxr-xr-x ") {
			t.Errorf("the archive holds other files than LICENSE and kubectl-aml")
		}
	})
	t.Run("an_index_that_lacks_platforms_is_not_written", func(t *testing.T) {
		if _, err := os.Stat(r.Plugins); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want that it does not exist", r.Plugins, err)
		}
	})
	t.Run("krew_installs_a_plugin_that_says_its_version", func(t *testing.T) {
		root := t.TempDir()
		if said, err := krewInstall(t, root, manifest, file); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if err := checkStamp(t.Context(), filepath.Join(root, "bin", "kubectl-aml"), version); err != nil {
			t.Error(err)
		}
	})
	t.Run("krew_refuses_another_archive", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), filepath.Base(file))
		if err := os.WriteFile(other, mustPack(t, other, []entry{{Name: "LICENSE"}}), 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := krewInstall(t, t.TempDir(), manifest, other)
		if err == nil || !strings.Contains(said, "checksum does not match") {
			t.Errorf("got %v, want that the checksum does not match\n%s", err, said)
		}
	})
}

// Not in parallel: a program that is being written while another test forks cannot be started.
func TestStamp(t *testing.T) {
	for name, c := range map[string]struct{ says, want string }{
		"the_version_is_accepted":        {says: "kubectl-aml v9.8.7 (go1.26, linux/amd64)"},
		"no_version_is_refused":          {says: "kubectl-aml", want: "not stamped with v9.8.7"},
		"the_default_is_refused":         {says: "kubectl-aml v0.0.0-dev", want: "not stamped with v9.8.7"},
		"a_longer_version_is_refused":    {says: "kubectl-aml v9.8.71", want: "not stamped with v9.8.7"},
		"a_program_that_fails_is_quoted": {says: "$(echo broken >&2; exit 1)", want: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "program")
			script := "#!/bin/sh\nset -e\nsaid=\"" + c.says + "\"\necho \"$said\"\n"
			if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			err := checkStamp(t.Context(), program, version)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestVersionsThatAreNoRelease(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "v", "1.2.3", "v1.2", "v1.2.3+dirty", "v1.2.3 "} {
		err := release{Version: v}.make(t.Context())
		if err == nil || !strings.Contains(err.Error(), "write one like v1.2.3") {
			t.Errorf("version %q: got %v, want it refused", v, err)
		}
	}
}

// makefileFlags are the linker flags that make uses, so that the stamp tested is the one that ships.
func makefileFlags(t *testing.T) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", "ldflags", "VERSION="+version)
	c.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	flags, err := output(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(flags))
}

func krewInstall(t *testing.T, root, manifest, archive string) (said string, err error) {
	t.Helper()
	krew, err := krewTool(t.Context(), "../..", "krew")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), krew, "install", "--manifest="+manifest, "--archive="+archive)
	c.Env = append(os.Environ(), "KREW_ROOT="+root)
	printed, err := c.CombinedOutput()
	return string(printed), err
}

func sum(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}
