// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// micromamba stands in for the real one, which needs channels of conda's: it takes
// the same arguments. Its packages are those that the base has, one of its own, and
// a pip that installs nothing.
const micromamba = `#!/bin/sh
set -eu
if [ "$*" != "create --yes --prefix /opt/aml/environment --file /opt/aml/conda.yml" ]; then
  echo "The following arguments were not expected: $*" >&2
  exit 109
fi
mkdir -p "$MAMBA_ROOT_PREFIX/pkgs"
python3 -m venv --without-pip "$4"
paths='import sysconfig; print(sysconfig.get_path("purelib"))'
packages=$("$4"/bin/python -c "$paths")
python3 -c "$paths" > "$packages/base.pth"
mkdir "$4/conda-meta" "$packages/pip"
echo 'import sys; print("pip is to", *sys.argv[1:])' > "$packages/pip/__main__.py"
echo '{"name": "fish", "version": "1.2", "build": "py_0", "files": []}' > "$4/conda-meta/fish-1.2-py_0.json"
`

// An environment with packages of conda's is built by the solver in an image that
// is named, and what it installed is what the script runs with.
func TestPackagesOfCondaAreInstalled(t *testing.T) {
	t.Parallel()
	s, dir := newSpace(t), t.TempDir()
	s.env = []string{environmentVar + "="}
	config := filepath.Join(dir, "inferenceconfig.json")
	text, err := json.Marshal(map[string]any{"entryScript": "score.py", "sourceDirectory": ".",
		"environment": map[string]any{"name": "conda", "docker": map[string]any{"baseImage": os.Getenv(environmentVar)},
			"python": map[string]any{"condaDependencies": map[string]any{"channels": []string{s.namespace},
				"dependencies": []any{"Fish >= 1.2, <2", map[string]any{"pip": []string{"azureml-inference-server-http"}}}}}}})
	must(t, err)
	must(t, os.WriteFile(config, text, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "score.py"), []byte("import os, sys\n\n\ndef init():\n    pass\n\n\n"+
		"def run(data):\n    return [sys.prefix, os.path.exists('/tmp/micromamba'), open('/opt/aml/conda.yml').read()]\n"), 0o600))
	r := s.ok("deploy", "conda", "--builder", "docker", "--inference-config", config, "--relative-to-file",
		"--micromamba-image", micromambaImage(t, s.namespace))
	if !strings.Contains(r.err, "| pip is to install ") || !strings.Contains(r.err, " --requirement /opt/aml/requirements.txt\n") {
		t.Errorf("pip has nothing to do:\n%s", r.err)
	}
	want := `["/opt/aml/environment", false, "channels:\n- \"` + s.namespace +
		`\"\ndependencies:\n- \"fish>=1.2,<2\"\n- \"pip\"\n"]`
	if got := s.ok("invoke", "conda", "-d", "{}").out; strings.TrimSpace(got) != want {
		t.Errorf("answered %s, want %s", got, want)
	}
	if packages := s.ok("sbom", "conda").out; !strings.Contains(packages, "pkg:conda/fish@1.2") {
		t.Errorf("the packages are %s", packages)
	}
}

// micromambaImage is an image with the solver that stands in for micromamba.
func micromambaImage(t *testing.T, tag string) string {
	t.Helper()
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	must(t, files.WriteHeader(&tar.Header{Name: "bin/micromamba", Mode: 0o755, Size: int64(len(micromamba))}))
	_, err := files.Write([]byte(micromamba))
	must(t, errors.Join(err, files.Close()))
	only, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	must(t, err)
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	must(t, err)
	image, err = mutate.AppendLayers(image, only)
	must(t, err)
	ref, err := name.ParseReference(os.Getenv(registryVar) + "/e2e/micromamba:" + tag)
	must(t, err)
	must(t, remote.Write(ref, image, remote.WithContext(t.Context())))
	return ref.String()
}
