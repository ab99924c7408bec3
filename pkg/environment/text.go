// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
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

// MicromambaImage has conda's solver in one file, /bin/micromamba, and the
// certificates that are trusted where a base has none:
// https://github.com/mamba-org/micromamba-docker, debian.Dockerfile.
const MicromambaImage = "docker.io/mambaorg/micromamba:2.0.5"

// solver is where that image is while conda's packages are installed.
const solver = "/run/micromamba"

// secrets are what a builder may give to a step that downloads: pip's
// configuration, with indexes and passwords, and certificates to trust. Both may
// be absent, and neither gets into the image.
func secrets() []string {
	return []string{
		"--mount=type=secret,id=pip.conf,target=/etc/pip.conf,required=false",
		"--mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt,required=false",
	}
}

// trust makes what downloads take the certificates, if there are any.
func trust() []string {
	return []string{
		"set -eu; ca=/run/secrets/ca.crt;",
		"if [ -f $ca ]; then export PIP_CERT=$ca SSL_CERT_FILE=$ca REQUESTS_CA_BUNDLE=$ca; fi;",
	}
}

// pip puts packages into the prefix.
const (
	pipInstall = "pip install --no-cache-dir --disable-pip-version-check --no-input --progress-bar off "
	pip        = "python -m " + pipInstall
)

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
		t.condaSteps(p.packages, cmp.Or(p.environment.Micromamba, MicromambaImage))
	}
	switch {
	case p.packages.installs():
		t.line("ENV PATH=" + prefix + "/bin:$PATH")
		t.line("USER 10001")
	case p.environment.Interpreter != "":
		t.line("ENV PATH=" + path.Dir(p.environment.Interpreter) + ":$PATH")
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

// note writes a comment.
func (t *text) note(s string) { t.line("# " + s) }

// run writes one instruction over several lines; each of them but the last goes
// on at the next one.
func (t *text) run(first string, more ...string) {
	t.b.WriteString("RUN " + first)
	for _, line := range more {
		t.b.WriteString(" " + string(t.escape) + "\n    " + line)
	}
	t.b.WriteString("\n")
}

// download is run for a step that downloads; mounts are more than its secrets.
func (t *text) download(mounts []string, steps ...string) {
	lines := slices.Concat(secrets(), mounts, trust(), steps)
	t.run(lines[0], lines[1:]...)
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
	t.note("The packages, for pip.")
	t.file(requirements, append(p.packages.options, p.packages.requirements...))
	t.note("The base's own Python, if it is of the version asked for, else one that uv gets.")
	t.download(nil, pythonStep(p)...)
	var install []string
	if len(p.packages.pip) > 0 {
		install = append(install, prefix+"/bin/"+pip+quote("pip"+joined(p.packages.pip))+";")
	}
	t.download(nil, append(install, prefix+"/bin/"+pip+"--requirement "+requirements)...)
}

// joined are bounds in pip's and uv's words.
func joined(bounds []bound) string {
	var parts []string
	for _, b := range bounds {
		parts = append(parts, b.pep440())
	}
	return strings.Join(parts, ",")
}

// pythonStep makes the virtual environment. Debian's Python has its ensurepip in a
// package of its own: without it, but with pip, that pip is given to the
// environment.
func pythonStep(p Pinned) []string {
	condition := "True"
	for _, b := range p.packages.python {
		condition += " and " + b.python()
	}
	condition = strings.TrimPrefix(condition, "True and ")
	inherits := ""
	if !p.packages.own {
		inherits = " --system-site-packages"
	}
	wanted := wantedPython(p.packages.python)
	return []string{
		"look() { found=; for python in " + pythonNames(p) + "; do",
		"  if $python -c 'import sys, venv; v = sys.version_info; sys.exit(not (" + condition + "))' 2>/dev/null;",
		"  then found=$python; return; fi;",
		"done; };",
		"fail() { echo \"$1\" >&2; exit 1; };",
		"lacks() { ! $1 -c 'import ensurepip' 2>/dev/null; };",
		"pipless() { lacks $1 && ! $1 -m pip --version >/dev/null 2>&1; };",
		"venv() {",
		"  if ! lacks $1; then $1 -m venv $3 $2; return; fi;",
		"  $1 -m venv --without-pip $3 $2;",
		`  packages="$($2/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')";`,
		`  $1 -m ` + pipInstall + `--target "$packages" pip;`,
		"};",
		"look; if pipless ${found:-python3}; then",
		"  command -v apt-get >/dev/null || fail " + quote(noPython) + ";",
		"  apt-get update; apt-get install --yes --no-install-recommends ca-certificates python3-venv;",
		"  rm -rf /var/lib/apt/lists/*; look;",
		"fi;",
		`if [ -z "$found" ]; then`,
		"  venv python3 /tmp/uv ''; /tmp/uv/bin/" + pip + "uv;",
		"  export UV_PYTHON_INSTALL_DIR=" + pythons + " UV_NO_CACHE=1;",
		"  /tmp/uv/bin/uv python install --no-bin " + quote(wanted) + " || fail " + quote(noSuchPython(wanted)) + ";",
		"  found=$(/tmp/uv/bin/uv python find --managed-python " + quote(wanted) + ");",
		"  rm -rf /tmp/uv;",
		"fi;",
		"venv $found " + prefix + " '" + strings.TrimSpace(inherits) + "'",
	}
}

// noPython is for a base that has nothing to install packages with.
const noPython = "the base image has no Python with pip, and no apt-get to install one: start from another image, " +
	"such as docker.io/library/python:3.11-slim"

// noSuchPython is for a Python that uv does not get.
func noSuchPython(wanted string) string {
	return "the base image has no Python " + wanted + ", and uv gets none: start from an image that has it, or let the " +
		"builder reach github.com, where uv has them from"
}

// pythonNames are the commands that may be such a Python.
func pythonNames(p Pinned) string {
	if p.environment.Interpreter != "" {
		return p.environment.Interpreter
	}
	names := "python3 python"
	for _, b := range p.packages.python {
		if parts := strings.Split(b.version, "."); len(parts) > 1 && strings.HasPrefix(b.operator, "=") {
			names = "python" + strings.Join(parts[:2], ".") + " " + names
		}
	}
	return names
}

// wantedPython is what uv is asked for.
func wantedPython(bounds []bound) string {
	switch {
	case len(bounds) == 0:
		return "3"
	case len(bounds) == 1 && strings.HasPrefix(bounds[0].operator, "="):
		return bounds[0].version
	}
	return joined(bounds)
}

// condaSteps put conda's packages into a prefix of their own, and pip's beside
// them.
func (t *text) condaSteps(p packages, micromamba string) {
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
	t.note("The packages, for conda.")
	t.file(condaFile, lines)
	t.download([]string{"--mount=type=bind,from=" + micromamba + ",target=" + solver}, slices.Concat(
		condaTrust(),
		[]string{
			`if [ -n "${CUDA_VERSION:-}" ]; then export CONDA_OVERRIDE_CUDA=${CONDA_OVERRIDE_CUDA:-$CUDA_VERSION}; fi;`,
			"export MAMBA_ROOT_PREFIX=/tmp/micromamba HOME=/tmp/micromamba;",
			solver + "/bin/micromamba create --yes --prefix " + prefix + " --file " + condaFile + ";",
			"rm -rf /tmp/micromamba",
		})...)
	if len(p.requirements) > 0 {
		t.note("The packages, for pip.")
		t.file(requirements, append(p.options, p.requirements...))
		t.download(nil, prefix+"/bin/"+pip+"--requirement "+requirements)
	}
}

// condaTrust makes micromamba take the certificates, or those of its image where a
// base has none in any of the places in which micromamba looks
// (https://github.com/mamba-org/mamba, libmamba/src/download/downloader.cpp). It
// does not read REQUESTS_CA_BUNDLE.
func condaTrust() []string {
	return []string{
		"found=; for file in $ca /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem",
		"  /etc/pki/tls/cacert.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem; do",
		"  if [ -f $file ]; then found=$file; fi;",
		"done;",
		`if [ -z "$found" ]; then ca=` + solver + "/etc/ssl/certs/ca-certificates.crt; fi;",
		"if [ -f $ca ]; then export MAMBA_SSL_VERIFY=$ca; fi;",
	}
}

// yamlText is a text as YAML and JSON write it in quotes.
func yamlText(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}
