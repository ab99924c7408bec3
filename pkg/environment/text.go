// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"encoding/json"
	"path"
	"strings"
)

// Where the parts of an image are. Nothing is in a home, which a pod has not.
const (
	root         = "/opt/aml"
	prefix       = root + "/environment"
	requirements = root + "/requirements.txt"
	condaFile    = root + "/conda.yml"
	// pythons are those that are not the base's.
	pythons = root + "/python"
)

// micromamba is the image that has conda's solver in one file.
const micromamba = "docker.io/mambaorg/micromamba:2.0.5"

// secrets are what a builder may give to a step that downloads: pip's
// configuration, with indexes and passwords, and certificates to trust. Both may
// be absent, and neither gets into the image.
const secrets = "--mount=type=secret,id=pip.conf,target=/etc/pip.conf,required=false " +
	"--mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt,required=false"

// trust makes what downloads take the certificates, if there are any.
const trust = "if [ -f /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt " +
	"SSL_CERT_FILE=/run/secrets/ca.crt REQUESTS_CA_BUNDLE=/run/secrets/ca.crt; fi"

// Dockerfile is the whole text to build, the same for the same Digest and base.
// It needs no files beside it and nothing that Docker 20.10 does not know. What
// is built runs as any user, from a file system that is read-only.
func (p Pinned) Dockerfile() string {
	t := &text{escape: p.escape}
	t.b.WriteString(p.from)
	switch {
	case !p.packages.installs():
	case p.packages.plain:
		t.begin()
		t.pipSteps(p)
	default:
		t.begin()
		t.condaSteps(p.packages)
	}
	if p.environment.Interpreter != "" {
		t.line("ENV PATH=" + path.Dir(p.environment.Interpreter) + ":$PATH")
	}
	if p.packages.installs() {
		t.line("USER 10001")
	}
	return t.b.String()
}

// text writes the steps of a Dockerfile.
type text struct {
	b      strings.Builder
	escape rune
}

func (t *text) line(s string) { t.b.WriteString(s + "\n") }

// begin makes the steps run by root in a shell that is known, whatever the base
// has.
func (t *text) begin() {
	t.line(`USER root`)
	t.line(`SHELL ["/bin/sh", "-c"]`)
}

// run writes one instruction over several lines; each of them but the last goes
// on at the next one.
func (t *text) run(first string, more ...string) {
	t.b.WriteString("RUN " + first)
	for _, line := range more {
		t.b.WriteString(" " + string(t.escape) + "\n    " + line)
	}
	t.b.WriteString("\n")
}

// atOnce is how much of a file one step writes: a kernel takes 128 KiB for a
// command.
const atOnce = 32 << 10

// file writes lines to a file. Docker 20.10 has no here-documents, so they are
// words in quotes that nothing in them ends.
func (t *text) file(name string, lines []string) {
	into := "> "
	for first := true; first || len(lines) > 0; first = false {
		n, size := 0, 0
		for n < len(lines) && (n == 0 || size+len(lines[n]) < atOnce) {
			size += len(lines[n])
			n++
		}
		words := make([]string, 0, n+1)
		for _, line := range lines[:n] {
			words = append(words, "  "+quote(line))
		}
		t.run(`mkdir -p `+root+` && printf '%s\n'`, append(words, into+name)...)
		lines, into = lines[n:], ">> "
	}
}

// quote makes one word of a shell of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// pipSteps put pip's packages into a virtual environment.
func (t *text) pipSteps(p Pinned) {
	t.file(requirements, append(p.packages.options, p.packages.requirements...))
	t.run(secrets, pythonStep(p)...)
	install := []string{"set -eu; " + trust + ";"}
	pip := prefix + "/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-input"
	if len(p.packages.pip) > 0 {
		install = append(install, pip+" "+quote("pip"+joined(p.packages.pip))+";")
	}
	t.run(secrets, append(install, pip+" --requirement "+requirements)...)
	t.line("ENV PATH=" + prefix + "/bin:$PATH")
}

// joined are bounds in pip's and uv's words.
func joined(bounds []bound) string {
	var parts []string
	for _, b := range bounds {
		parts = append(parts, b.pep440())
	}
	return strings.Join(parts, ",")
}

// pythonStep makes the virtual environment: of the base's own Python if it is
// such a one, else of one that uv gets.
func pythonStep(p Pinned) []string {
	conditions, names := []string{"True"}, "python3 python"
	for _, b := range p.packages.python {
		conditions = append(conditions, b.python())
		if parts := strings.Split(b.version, "."); len(parts) > 1 && strings.HasPrefix(b.operator, "=") {
			names = "python" + strings.Join(parts[:2], ".") + " " + names
		}
	}
	if p.environment.Interpreter != "" {
		names = p.environment.Interpreter
	}
	venv := "-m venv"
	if !p.packages.own {
		venv += " --system-site-packages"
	}
	wanted := "3"
	if len(p.packages.python) > 0 {
		wanted = joined(p.packages.python)
	}
	return []string{
		"set -eu; " + trust + "; found=;",
		"for python in " + names + "; do",
		"  if \"$python\" -c 'import ensurepip, sys, venv; v = sys.version_info; sys.exit(not (" +
			strings.Join(conditions, " and ") + "))' 2>/dev/null; then found=$python; break; fi;",
		"done;",
		`if [ -z "$found" ]; then`,
		"  python3 -m venv /tmp/uv 2>/dev/null || { apt-get update && apt-get install -y --no-install-recommends " +
			"ca-certificates python3-venv && rm -rf /var/lib/apt/lists/* && python3 -m venv /tmp/uv; };",
		"  /tmp/uv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-input uv;",
		"  export UV_PYTHON_INSTALL_DIR=" + pythons + " UV_NO_CACHE=1;",
		"  /tmp/uv/bin/uv python install --no-bin " + quote(wanted) + ";",
		"  found=$(/tmp/uv/bin/uv python find --managed-python " + quote(wanted) + ");",
		"  rm -rf /tmp/uv;",
		"fi;",
		`"$found" ` + venv + " " + prefix,
	}
}

// condaSteps put conda's packages into a prefix of their own, and pip's beside
// them.
func (t *text) condaSteps(p packages) {
	channels := p.channels
	if len(channels) == 0 {
		channels = []string{"defaults"}
	}
	lines := []string{"channels:"}
	for _, channel := range channels {
		lines = append(lines, "- "+yamlText(channel))
	}
	lines = append(lines, "dependencies:")
	for _, spec := range p.conda {
		lines = append(lines, "- "+yamlText(spec))
	}
	if len(p.requirements) > 0 {
		lines = append(lines, `- "pip"`)
	}
	t.file(condaFile, lines)
	t.run(secrets+" --mount=type=bind,from="+micromamba+",source=/bin/micromamba,target=/run/micromamba",
		"set -eu; "+trust+";",
		"export MAMBA_ROOT_PREFIX=/tmp/micromamba HOME=/tmp/micromamba;",
		"/run/micromamba create --yes --quiet --prefix "+prefix+" --file "+condaFile+";",
		"rm -rf /tmp/micromamba")
	t.line("ENV PATH=" + prefix + "/bin:$PATH")
	if len(p.requirements) == 0 {
		return
	}
	t.file(requirements, append(p.options, p.requirements...))
	t.run(secrets, "set -eu; "+trust+";",
		prefix+"/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-input --requirement "+requirements)
}

// yamlText is a text as YAML and JSON write it in quotes.
func yamlText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
