// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"pgregory.net/rapid"
)

// hostile are lines that pip's parser lets through and that must stay lines.
func hostile() []string {
	return []string{
		"a @ https://x/'$(touch${IFS}owned)'", "b @ https://x/`touch${IFS}owned`", `c @ https://x/"\`, "d @ https://x/;touch${IFS}owned;",
		"e @ https://x/%s%n", "f @ https://x/<<EOF", "--extra-index-url https://x/'||touch", `g; x == 'a " b'`, `/w\`, "/w'", "--find-links /w\\",
		"h @ https://x/#y",
	}
}

// steps are the commands of the RUNs in a text, as BuildKit reads them.
func steps(t rapid.TB, text string) []string {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, command := range stages[len(stages)-1].Commands {
		if run, ok := command.(*instructions.RunCommand); ok {
			if len(run.Files) > 0 {
				t.Fatalf("a step has here-documents: %v", run.Files)
			}
			out = append(out, run.CmdLine...)
		}
	}
	return out
}

// written runs the steps that write lines to a file, in a shell, and returns the
// file.
func written(t rapid.TB, dir, text string) string {
	t.Helper()
	for _, step := range steps(t, text) {
		if !strings.HasPrefix(step, "mkdir -p "+root+" && printf") {
			continue
		}
		command := exec.Command("/bin/sh", "-c", strings.ReplaceAll(step, root, dir))
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, step)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestLinesStayLines runs what writes the packages in a real shell: each line is
// in the file as it was, and nothing else happened.
func TestLinesStayLines(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]Environment{
		"a base": {Base: "b", Pip: hostile()}, "another escape": {Dockerfile: "# escape=`\nFROM b\n", Pip: hostile()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pinned(t, e)
			dir := t.TempDir()
			want := strings.Join(append(p.packages.options, p.packages.requirements...), "\n") + "\n"
			if got := written(t, dir, p.Dockerfile()); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Errorf("there are %v: %v", files, err)
			}
		})
	}
}

func pinned(t *testing.T, e Environment) Pinned {
	t.Helper()
	p, err := e.Pin(map[string]string{"b": "b" + someDigest})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAnyLineStaysALine does so with lines that are made up.
func TestAnyLineStaysALine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching("/x[!-~]{1,30}"), 1, 5).Draw(t, "lines")
		p, err := Environment{Base: "b", Pip: lines}.Pin(map[string]string{"b": "b" + someDigest})
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Join(p.packages.requirements, "\n") + "\n"
		if got := written(t, dir, p.Dockerfile()); got != want {
			t.Fatalf("got\n%swant\n%s", got, want)
		}
	})
}

// TestManyLines holds that a list that no command line has room for is written
// in parts.
func TestManyLines(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 4000 {
		lines = append(lines, "package"+strings.Repeat("x", i%60)+"==1."+strings.Repeat("1", i/60)+" --hash=sha256:"+strings.Repeat("0", 64))
	}
	p := pinned(t, Environment{Base: "b", Pip: lines})
	slices.Sort(lines)
	if got, want := written(t, t.TempDir(), p.Dockerfile()), strings.Join(lines, "\n")+"\n"; got != want {
		t.Errorf("%d bytes were written of %d", len(got), len(want))
	}
	for _, step := range steps(t, p.Dockerfile()) {
		if len(step) > 128<<10 {
			t.Errorf("a step has %d bytes", len(step))
		}
	}
}

// TestThePythonThatIsThere runs the step that makes the virtual environment, with
// Pythons of several versions on the path.
func TestThePythonThatIsThere(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ spec, pythons, want string }{
		"the version asked for":  {"python=3.11", "python3.11:3.11.2 python3:3.9.1", "python3.11"},
		"the default one fits":   {"python=3.9", "python3.11:3.11.2 python3:3.9.1", "python3"},
		"any":                    {"python", "python3:3.9.1", "python3"},
		"a bound":                {"python>=3.8,<3.10", "python3:3.11.2 python:3.9.1", "python"},
		"none fits, so uv's own": {"python=3.8.13", "python3.8:3.8.12 python3:3.9.1 python:3.9.1", "uv 3.8.13"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for python := range strings.FieldsSeq(c.pythons) {
				fakePython(t, dir, python)
			}
			step := steps(t, pinned(t, Environment{Base: "b", Conda: []string{c.spec}, Pip: []string{"x"}}).Dockerfile())[1]
			step = strings.NewReplacer("/run/secrets/", dir+"/", "/tmp/uv", dir+"/uv", root, dir+"/aml").Replace(step)
			command := exec.Command("/bin/sh", "-c", step)
			command.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "REAL=" + realPython(t)}
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := strings.TrimSpace(string(out)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func realPython(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// fakePython is a Python of another version, NAME:VERSION, which says its name
// when it makes a virtual environment. That of uv gets a uv, whose Python says
// what uv was asked for.
func fakePython(t *testing.T, dir, python string) {
	t.Helper()
	name, version, _ := strings.Cut(python, ":")
	const script = `#!/bin/sh
case "$1 $2" in
"-c "*) exec "$REAL" -c "import sys; sys.version_info = (VERSION)
$2" ;;
"-m venv")
  if [ "$3" != "DIR/uv" ]; then echo NAME; exit; fi
  mkdir -p "$3/bin"
  printf '#!/bin/sh\n' > "$3/bin/python"
  printf '%s\n' '#!/bin/sh' '[ "$2" = find ] || exit 0' \
    'printf "#!/bin/sh\necho uv $4\n" > DIR/found; chmod +x DIR/found; echo DIR/found' > "$3/bin/uv"
  chmod +x "$3/bin/python" "$3/bin/uv" ;;
esac
`
	text := strings.NewReplacer("VERSION", strings.ReplaceAll(version, ".", ","), "DIR", dir, "NAME", name).Replace(script)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
