// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The folder of a build has the very files that the layers of the image have.
func TestWriteContext(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	register(t, models, "bert", filepath.Join(dir, "bert"))
	_, src := project(t)
	src.Environment, src.Registry = reg.environment(t), models.Registry
	src.Models = append(src.Models, Model{Name: "bert"})
	src.Variables = map[string]string{"DEBUG": "", "LEVEL": `a "b"`, "AZUREML_ENTRY_SCRIPT": "not.py"}
	into := filepath.Join(t.TempDir(), "new", "context")
	made := must(WriteContext(t.Context(), src, into, options()))
	equal(t, "models", made.Models, []string{"bert:1", "local/sentiment:1"})
	equal(t, "reference", made.Reference, "")

	var written []string
	must(0, filepath.WalkDir(into, func(file string, d fs.DirEntry, err error) error {
		info := must(d.Info())
		line, ok := inImage(must(filepath.Rel(into, file)))
		switch {
		case !ok || d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			written = append(written, "777 "+line+" -> "+must(os.Readlink(file)))
		default:
			written = append(written, fmt.Sprintf("%o %s", info.Mode().Perm(), line))
		}
		return err
	}))
	packed := must(Package(t.Context(), src, reg.host+"/ml/endpoint", options()))
	held := slices.DeleteFunc(files(t, packed), func(line string) bool { return strings.HasSuffix(line, "/") })
	slices.Sort(held)
	slices.Sort(written)
	equal(t, "files", written, held)
	img := must(Read(t.Context(), packed.Reference, options()))
	equal(t, "an empty variable", slices.Contains(must(img.ConfigFile()).Config.Env, "DEBUG="), true)
	equal(t, "Dockerfile", string(must(os.ReadFile(filepath.Join(into, "Dockerfile")))), "FROM "+packed.Environment+`
COPY azureml-models/ /var/azureml-app/azureml-models/
COPY azureml-app/ /var/azureml-app/
ENV DEBUG=""
ENV LEVEL="a \"b\""
ENV AML_APP_ROOT="/var/azureml-app"
ENV AZUREML_ENTRY_SCRIPT="src/score.py"
ENV AZUREML_SOURCE_DIRECTORY="src"
ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"
WORKDIR /var/azureml-app
EXPOSE 5001/tcp
ENTRYPOINT []
CMD ["python","-m","azureml_inference_server_http","--entry_script","src/score.py"]
`)
	_, err := WriteContext(t.Context(), src, into, options())
	equal(t, "again", err, into+" holds something already: name a folder that is empty or not there")
}

// What no Dockerfile can hold would be a line of its own.
func TestWhatIsNoVariableIsKeptOutOfADockerfile(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	_, src := project(t)
	src.Environment = reg.environment(t)
	src.Variables = map[string]string{"A": "x\nRUN evil", "B": "x\ry", "C D": "x", "E\nRUN evil": "x"}
	_, err := WriteContext(t.Context(), src, filepath.Join(t.TempDir(), "context"), options())
	const told = " has a line break, which no Dockerfile can hold: write it without, or make the image"
	const named = " has a name that no Dockerfile can hold: rename it, or make the image"
	equal(t, "error", err, "variable A"+told+"\nvariable B"+told+"\nvariable \"C D\""+named+"\nvariable \"E\\nRUN evil\""+named)
}

// A folder that was not finished can be written to again.
func TestAContextThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	_, src := project(t)
	src.Environment = reg.environment(t)
	into := filepath.Join(t.TempDir(), "context")
	ctx, cancel := context.WithCancel(t.Context())
	o := options()
	o.Log = func(line string) {
		if line == "writing code" {
			cancel()
		}
	}
	_, err := WriteContext(ctx, src, into, o)
	equal(t, "error", errors.Is(err, context.Canceled), true)
	equal(t, "what is left", len(must(os.ReadDir(into))), 0)
	must(WriteContext(t.Context(), src, into, options()))
}

// inImage is where a file of the build context is in the image.
func inImage(file string) (string, bool) {
	for from, to := range map[string]string{"azureml-app/": "var/azureml-app/", "azureml-models/": "var/azureml-app/azureml-models/"} {
		if rest, ok := strings.CutPrefix(file, from); ok {
			return to + rest, true
		}
	}
	return "", false
}

func TestValuesInADockerfile(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"src/score.py": `"src/score.py"`, "a b": `"a b"`, `$HOME`: `"\$HOME"`,
		`a"b\c`: `"a\"b\\c"`} {
		equal(t, value, inDockerfile(value), want)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	pinned := must(Resolve(t.Context(), reg.environment(t), options()))
	tag := must(Tag(t.Context(), pinned, "v1", options()))
	equal(t, "tag", tag, reg.host+"/environments/sklearn:v1")
	equal(t, "image", must(Resolve(t.Context(), tag, options())), pinned)
	_, err := Tag(t.Context(), pinned, "v 1", options())
	equal(t, "error", err, `label "v 1" is not valid: write up to 128 letters, digits, _, . and -`)
	_, err = Tag(t.Context(), tag, "v1", options())
	equal(t, "not pinned", err, fmt.Sprintf("image %q is not pinned: write it as HOST/NAME@sha256:DIGEST", tag))
}
