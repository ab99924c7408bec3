// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"errors"
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
	cases := map[string]struct{ spec, pythons, lacks, want, fails string }{
		"the version asked for":  {spec: "python=3.11", pythons: "python3.11:3.11.2 python3:3.9.1", want: "python3.11"},
		"the default one fits":   {spec: "python=3.9", pythons: "python3.11:3.11.2 python3:3.9.1", want: "python3"},
		"any":                    {spec: "python", pythons: "python3:3.9.1", want: "python3"},
		"a bound":                {spec: "python>=3.8,<3.10", pythons: "python3:3.11.2 python:3.9.1", want: "python"},
		"none fits, so uv's own": {spec: "python=3.8.13", pythons: "python3.8:3.8.12 python3:3.9.1 python:3.9.1", want: "uv 3.8.13"},
		"a bound that none fits": {spec: "python>=3.8,<3.10", pythons: "python3:3.11.2", want: "uv >=3.8,<3.10"},
		"uv has none": {spec: "python=4.0", pythons: "python3:3.9.1",
			fails: "the base image has no Python 4.0, and uv gets none: start from an image that has it, or let "},
		"no ensurepip, but pip": {spec: "python=3.11", pythons: "python3:3.11.2", lacks: "ensurepip",
			want: "python3 without pip\npip into DIR/aml/environment/purelib"},
		"no ensurepip, but pip, for uv": {spec: "python=3.8.13", pythons: "python3:3.9.1", lacks: "ensurepip",
			want: "pip into DIR/uv/purelib\nuv 3.8.13"},
		"neither, but apt-get":    {spec: "python=3.11", pythons: "python3:3.11.2 apt-get:0", lacks: "ensurepip pip", want: "python3"},
		"nothing, but apt-get":    {spec: "python=3.11", pythons: "apt-get:0", want: "python3.new"},
		"apt-get has another":     {spec: "python=3.8.13", pythons: "apt-get:0", want: "uv 3.8.13"},
		"neither, and no apt-get": {spec: "python=3.11", pythons: "python3:3.11.2", lacks: "ensurepip pip", fails: noPython},
		"nothing at all":          {spec: "python=3.11", fails: noPython},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for python := range strings.FieldsSeq(c.pythons) {
				fakePython(t, dir, python)
			}
			for module := range strings.FieldsSeq(c.lacks) {
				if err := os.WriteFile(filepath.Join(dir, "no-"+module), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			step := steps(t, pinned(t, Environment{Base: "b", Conda: []string{c.spec}, Pip: []string{"x"}}).Dockerfile())[1]
			step = strings.NewReplacer("/run/secrets/", dir+"/", "/tmp/uv", dir+"/uv", root, dir+"/aml").Replace(step)
			command := exec.Command("/bin/sh", "-c", step)
			command.Dir, command.Env = dir, []string{"PATH=" + dir, "REAL=" + realPython(t)}
			out, err := command.CombinedOutput()
			if (err != nil) != (c.fails != "") || !strings.HasPrefix(string(out), c.fails) || strings.Count(c.fails, "\n") > 1 {
				t.Fatalf("%v: %s", err, out)
			}
			if got := strings.TrimSpace(strings.ReplaceAll(string(out), dir, "DIR")); err == nil && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// realPython is the program itself, and no script that looks for one on PATH.
func realPython(t *testing.T) string {
	t.Helper()
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(python))
}

// fakePython is a Python of another version, NAME:VERSION, which says its name
// when it makes a virtual environment, and what its pip is told. The environment of
// uv gets a uv, whose Python says what uv was asked for. It lacks the modules that
// a file no-MODULE names. An apt-get brings a Python that has all.
func fakePython(t *testing.T, dir, python string) {
	t.Helper()
	name, version, _ := strings.Cut(python, ":")
	const script = `#!/bin/sh
case "$1 $2" in
"-c import ensurepip") [ ! -f DIR/no-ensurepip ] ;;
"-c import sysconfig"*) echo "${0%/bin/python}/purelib" ;;
"-c "*) exec "$REAL" -c "import sys; sys.version_info = (VERSION)
$2" ;;
"-m pip")
  [ ! -f DIR/no-pip ] || exit 1
  [ "$3" = install ] || exit 0
  while [ $# -gt 1 ]; do [ "$1" = --target ] && echo "$PIP into $2"; shift; done ;;
"-m venv")
  without=
  if [ "$3" = --without-pip ]; then without=" without pip"; shift; fi
  mkdir -p "$3/bin"
  ln -sf DIR/NAME "$3/bin/python"
  if [ "$3" != DIR/uv ]; then echo "NAME$without"; exit; fi
  printf '%s\n' '#!/bin/sh' 'if [ "$2" = install ]; then [ "$4" != 4.0 ]; exit; fi' '[ "$2" = find ] || exit 0' \
    'printf "#!/bin/sh\n[ \"\$1\" = -c ] || echo \"uv $4\"\n" > DIR/found; chmod +x DIR/found; echo DIR/found' > "$3/bin/uv"
  chmod +x "$3/bin/uv" ;;
esac
`
	const apt = `#!/bin/sh
[ "$1" = install ] || exit 0
rm -f DIR/no-ensurepip
[ -f DIR/python3 ] || cp DIR/python3.new DIR/python3
`
	replacer := strings.NewReplacer("VERSION", strings.ReplaceAll(version, ".", ","), "DIR", dir, "NAME", name, "$PIP", "pip")
	text := replacer.Replace(script)
	if name == "apt-get" {
		text = replacer.Replace(apt)
		fakePython(t, dir, "python3.new:3.11.2")
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"mkdir", "rm", "chmod", "ln", "cp"} {
		path, err := exec.LookPath(tool)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, tool))
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
}
