// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// odd are names that file systems of Linux can hold, with what is in the files.
func odd() map[string]string {
	return map[string]string{
		"empty/":                               "",
		"a.py":                                 "lower",
		"A.py":                                 "upper",
		"caf\u00e9":                            "composed",
		"cafe\u0301":                           "decomposed",
		"line\nbreak\x1b[2J":                   "signs",
		"latin-1-\xe9":                         "no UTF-8",
		`back\..\slash`:                        "backslashes",
		" ":                                    "a space",
		"-rf":                                  "a flag",
		strings.Repeat("n", 255):               "the longest name",
		strings.Repeat("folder/", 50) + "file": "a path beyond 256",
		strings.Repeat("f/", 300) + "deep":     "many folders",
		"caf\u00e9s/" + strings.Repeat("\u00e9", 60): "a long name of more than ASCII",
	}
}

// The digest is written down: another machine, another user and another release of
// Go or of the plugin must come to the same.
func TestALayerIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	const want = "sha256:2d7db0846daff436be32d6d9ea6cb281f32136b4e65eb70109b3279dd2bc4627"
	for round := range 4 {
		dir := filepath.Join(must(filepath.EvalSymlinks(t.TempDir())), "m")
		files := odd()
		order := slices.Sorted(maps.Keys(files))
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range order {
			full := filepath.Join(dir, name)
			if strings.HasSuffix(name, "/") {
				must(0, os.MkdirAll(full, 0o700))
				continue
			}
			must(0, os.MkdirAll(filepath.Dir(full), 0o700))
			must(0, os.WriteFile(full, []byte(files[name]), 0o600))
		}
		must(0, os.WriteFile(filepath.Join(dir, "run"), []byte("#!"), 0o600))
		must(0, os.Chmod(filepath.Join(dir, "run"), []fs.FileMode{0o700, 0o755, 0o711, 0o4775}[round]))
		must(0, os.Link(filepath.Join(dir, "a.py"), filepath.Join(dir, "hard")))
		must(0, os.Symlink("A.py", filepath.Join(dir, "soft")))
		asAnother(t, dir, round)
		l := archived(t, dir)
		equal(t, "digest", l.digest, want)
		equal(t, "hard link", must(readTar(t, l))["var/azureml-app/azureml-models/odd/1/m/hard"], "lower")
	}
}

// asAnother changes owners, times and modes to those of another machine.
func asAnother(t *testing.T, dir string, round int) {
	t.Helper()
	when := time.Unix(int64(1_000_000_000*round+7), int64(round))
	must(0, filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && d.Name() != "run" {
			must(0, os.Chmod(full, []fs.FileMode{0o600, 0o644, 0o664, 0o666}[round]))
		}
		if os.Geteuid() == 0 {
			must(0, os.Lchown(full, 1000*round, 1000*round))
		}
		return os.Chtimes(full, when, when)
	}))
}

func TestOddNamesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	_, models, _ := shop(t)
	dir := filepath.Join(write(t, odd()), ".")
	must(0, os.Symlink("line\nbreak\x1b[2J", filepath.Join(dir, "soft")))
	r := register(t, models, "odd", dir)
	got := must(models.Download(t.Context(), r, t.TempDir(), false))
	equal(t, "digest", archived(t, got).digest, r.layer.Digest)
}
