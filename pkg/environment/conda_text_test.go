// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// micromamba stands in for the real one: it takes what that takes for these
// steps, makes the prefix with a Python in it, and says what it was given.
const micromamba = `#!/bin/sh
set -eu
case "$*" in
"create --yes --prefix DIR/aml/environment --file DIR/aml/conda.yml") ;;
*) echo "The following arguments were not expected: $*" >&2; exit 109 ;;
esac
[ ! -e "$4" ] || { echo "Non-conda folder exists at prefix" >&2; exit 1; }
mkdir -p "$4/bin" "$MAMBA_ROOT_PREFIX/pkgs" "$HOME/.conda"
printf '#!/bin/sh\necho "pip: $*"\n' > "$4/bin/python"
chmod +x "$4/bin/python"
cat "$6"
echo "certificates: ${MAMBA_SSL_VERIFY-none}"
echo "cuda: ${CONDA_OVERRIDE_CUDA-none}"
`

// TestCondaSteps runs all steps in a real shell.
func TestCondaSteps(t *testing.T) {
	t.Parallel()
	const debian = "etc/ssl/certs/ca-certificates.crt"
	const theirs = "run/micromamba/" + debian
	cases := map[string]struct {
		environment Environment
		files, env  string
		want        string
	}{
		"a base with certificates": {
			environment: Environment{Conda: []string{"NumPy >= 1.2, <2", "python 3.11"}, Channels: []string{"mine", "conda-forge"},
				Pip: []string{"x"}},
			files: debian + " " + theirs,
			want: `channels: | - "mine" | - "conda-forge" | dependencies: | - "numpy>=1.2,<2" | - "python==3.11" | - "pip" | ` +
				"certificates: none | cuda: none | " +
				"pip: -m pip install --no-cache-dir --disable-pip-version-check --no-input --progress-bar off --requirement DIR/aml/requirements.txt",
		},
		"a base without certificates": {
			environment: Environment{Conda: []string{"libgomp"}}, files: theirs,
			want: `channels: | - "defaults" | dependencies: | - "libgomp" | certificates: DIR/` + theirs + " | cuda: none",
		},
		"certificates where SUSE has them": {
			environment: Environment{Conda: []string{"libgomp"}}, files: theirs + " etc/ssl/ca-bundle.pem",
			want: `channels: | - "defaults" | dependencies: | - "libgomp" | certificates: none | cuda: none`,
		},
		"certificates of the build": {
			environment: Environment{Conda: []string{"libgomp"}}, files: theirs + " run/secrets/ca.crt " + debian,
			want: `channels: | - "defaults" | dependencies: | - "libgomp" | certificates: DIR/run/secrets/ca.crt | cuda: none`,
		},
		"a base for GPUs": {
			environment: Environment{Conda: []string{"pytorch"}}, files: debian, env: "CUDA_VERSION=11.8.0",
			want: `channels: | - "defaults" | dependencies: | - "pytorch" | certificates: none | cuda: 11.8.0`,
		},
		"a base for GPUs that says otherwise": {
			environment: Environment{Conda: []string{"pytorch"}}, files: debian, env: "CUDA_VERSION=11.8.0 CONDA_OVERRIDE_CUDA=11.2",
			want: `channels: | - "defaults" | dependencies: | - "pytorch" | certificates: none | cuda: 11.2`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(file, text string) {
				t.Helper()
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			put(strings.TrimPrefix(solver, "/")+"/bin/micromamba", strings.ReplaceAll(micromamba, "DIR", dir))
			for file := range strings.FieldsSeq(c.files) {
				put(file, "")
			}
			c.environment.Base = "b"
			below := strings.NewReplacer(solver+"/etc/", dir+solver+"/etc/", "/run/", dir+"/run/", "/etc/", dir+"/etc/",
				"/tmp/", dir+"/tmp/", root, dir+"/aml")
			var got strings.Builder
			for _, step := range steps(t, pinned(t, c.environment).Dockerfile()) {
				command := exec.Command("/bin/sh", "-c", below.Replace(step))
				command.Dir, command.Env = dir, append([]string{"PATH=" + os.Getenv("PATH")}, strings.Fields(c.env)...)
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s\n%s", err, out, step)
				}
				got.Write(out)
			}
			said := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(got.String()), dir, "DIR"), "\n", " | ")
			if said != c.want {
				t.Errorf("got\n%s\nwant\n%s", said, c.want)
			}
			if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
				t.Errorf("there are %v: %v", left, err)
			}
		})
	}
}
