// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// release is what is to be built, and where to.
type release struct {
	Version     string // semantic, with a v
	LinkerFlags string // stamp the version
	Root        string // of the repository
	Package     string // the plugin's main package
	Out         string // gets the archives, SHA256SUMS and aml.yaml
	Plugins     string // gets krew.yaml and aml.yaml; empty: nothing
	Platforms   []platform
	Log         io.Writer
}

// archive is one that was built.
type archive struct {
	platform
	File   string // its name, in the release's folder
	SHA256 string
}

// downloads is where a release's archives are to be had.
const downloads = "https://github.com/kubectl-aml/kubectl-aml/releases/download/"

// make builds the archives and the manifest, and has krew check and install them. The krew index gets the
// manifest only when it names every platform.
func (r release) make(ctx context.Context) error {
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`).MatchString(r.Version) {
		return fmt.Errorf("-version %q is no release's: write one like v1.2.3", r.Version)
	}
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return err
	}
	archives, err := r.archives(ctx)
	if err != nil {
		return err
	}
	manifest, err := renderManifest(r.Version, downloads+r.Version, archives)
	if err != nil {
		return err
	}
	if err := r.write(filepath.Join(r.Out, "aml.yaml"), manifest); err != nil {
		return err
	}
	if err := checkWithKrew(ctx, r, archives); err != nil {
		return err
	}
	fmt.Fprintln(r.Log, "krew installs every archive")
	if r.Plugins == "" || len(archives) != len(platforms()) {
		return nil
	}
	return errors.Join(
		r.write(filepath.Join(r.Plugins, "krew.yaml"), manifest),
		r.write(filepath.Join(r.Plugins, "aml.yaml"), manifest))
}

func (r release) archives(ctx context.Context) ([]archive, error) {
	var (
		archives []archive
		sums     strings.Builder
	)
	for _, p := range r.Platforms {
		a, err := r.archive(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		archives = append(archives, a)
		fmt.Fprintf(&sums, "%s  %s\n", a.SHA256, a.File)
	}
	return archives, r.write(filepath.Join(r.Out, "SHA256SUMS"), []byte(sums.String()))
}

func (r release) archive(ctx context.Context, p platform) (archive, error) {
	binary, err := r.compile(ctx, p)
	if err != nil {
		return archive{}, err
	}
	license, err := os.ReadFile(filepath.Join(r.Root, "LICENSE"))
	if err != nil {
		return archive{}, err
	}
	a := archive{platform: p, File: p.Archive(r.Version)}
	content, err := pack(a.File, []entry{
		{Name: "LICENSE", Mode: 0o644, Content: license},
		{Name: p.Binary(), Mode: 0o755, Content: binary},
	})
	if err != nil {
		return archive{}, err
	}
	sum := sha256.Sum256(content)
	a.SHA256 = hex.EncodeToString(sum[:])
	return a, r.write(filepath.Join(r.Out, a.File), content)
}

// compile builds the plugin for p. One that this machine can run has to say the release's version.
func (r release) compile(ctx context.Context, p platform) ([]byte, error) {
	folder, err := os.MkdirTemp("", "kubectl-aml-dist-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	program := filepath.Join(folder, p.Binary())
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", r.LinkerFlags, "-o", program, r.Package)
	build.Dir = r.Root
	build.Env = append(os.Environ(), "GOOS="+p.OS, "GOARCH="+p.Arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0")
	if _, err := output(build); err != nil {
		return nil, err
	}
	if p == host() {
		if err := checkStamp(ctx, program, r.Version); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(program)
}

// checkStamp runs the program's version command: a linker flag that names no variable would set nothing, silently.
func checkStamp(ctx context.Context, program, version string) error {
	said, err := output(exec.CommandContext(ctx, program, "version"))
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`(^|\s)` + regexp.QuoteMeta(version) + `(\s|$)`).Match(said) {
		return fmt.Errorf("the program is not stamped with %s: its version command says %q", version, bytes.TrimSpace(said))
	}
	return nil
}

func (r release) write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	fmt.Fprintln(r.Log, "writing", file)
	return os.WriteFile(file, content, 0o644)
}

// output runs a command and returns what it printed. The error of one that fails holds what it said.
func output(c *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	c.Stderr = &said
	printed, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(c.Path), err, bytes.TrimSpace(append(printed, said.Bytes()...)))
	}
	return printed, nil
}
