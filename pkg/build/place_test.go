// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// settings is a folder of Docker's configuration.
type settings struct {
	t      *testing.T
	folder string
}

func newSettings(t *testing.T) settings {
	t.Helper()
	return settings{t, t.TempDir()}
}

func (s settings) write(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.folder, file)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// context writes one as "docker context create" does.
func (s settings) context(name, endpoints string) {
	s.t.Helper()
	s.write("contexts/meta/"+idOf(name)+"/meta.json",
		fmt.Sprintf(`{"Name": %q, "Metadata": {"Description": "a test's"}, "Endpoints": {%s}}`, name, endpoints))
}

func idOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func engineAt(host string) string {
	return fmt.Sprintf(`"docker": {"Host": %q, "SkipTLSVerify": false}`, host)
}

// certify gives a folder of the settings certificates that a has signed.
func (s settings) certify(folder string, a *authority) {
	s.t.Helper()
	cert, key := a.pair()
	for name, content := range map[string][]byte{"ca.pem": a.pem(), "cert.pem": cert, "key.pem": key} {
		s.write(filepath.Join(folder, name), string(content))
	}
}

// The engine is the one that Docker's own command would call.
func TestTheEngineOfDockersContext(t *testing.T) {
	t.Parallel()
	own := newAuthority(t)
	socket, other := "unix://"+newDockerd(t).socket(), "unix://"+newDockerd(t).socket()
	open, secure := "tcp://"+newDockerd(t).port(nil), "tcp://"+newDockerd(t).port(own)
	s := newSettings(t)
	s.context("colima", engineAt(socket))
	s.context("other", engineAt(other))
	s.context("remote", engineAt(secure))
	s.certify("contexts/tls/"+idOf("remote")+"/docker", own)
	s.context("bare", engineAt(secure))
	s.context("skips", fmt.Sprintf(`"docker": {"Host": %q, "SkipTLSVerify": true}`, secure))
	s.context("gone", engineAt("unix:///none/docker.sock"))
	s.context("kube", `"kubernetes": {"Host": "https://k"}`)
	s.context("odd", engineAt("nowhere"))
	s.write("contexts/meta/"+idOf("torn")+"/meta.json", "{")
	s.context("spoilt", engineAt(secure))
	s.write("contexts/tls/"+idOf("spoilt")+"/docker/ca.pem", "none")
	s.certify("certificates", own)
	const config = "config.json"
	for name, c := range map[string]struct {
		config string
		env    map[string]string
		// want is where it is, else why there is none.
		want, err string
	}{
		"chosen": {config: `{"currentContext": "colima"}`, want: socket + ` of context "colima"`},
		"DOCKER_CONTEXT before the chosen": {config: `{"currentContext": "colima"}`,
			env: map[string]string{"DOCKER_CONTEXT": "other"}, want: other + ` of context "other"`},
		"DOCKER_HOST before all": {config: `{"currentContext": "gone"}`,
			env: map[string]string{"DOCKER_CONTEXT": "other", "DOCKER_HOST": socket}, want: socket},
		"a host without a scheme":   {env: map[string]string{"DOCKER_HOST": strings.TrimPrefix(open, "tcp://")}, want: open},
		"certificates of a context": {env: map[string]string{"DOCKER_CONTEXT": "remote"}, want: secure + ` of context "remote"`},
		"certificates of the variables": {env: map[string]string{"DOCKER_HOST": secure, "DOCKER_TLS_VERIFY": "1",
			"DOCKER_CERT_PATH": s.folder + "/certificates"}, want: secure},
		"no certificates of the variables": {env: map[string]string{"DOCKER_HOST": secure, "DOCKER_TLS": "1"},
			err: "the settings of its client are wrong: open DIR/ca.pem: no such file or directory: correct DOCKER_HOST, " +
				"DOCKER_CERT_PATH or DOCKER_TLS_VERIFY"},
		"no certificates of a context": {env: map[string]string{"DOCKER_CONTEXT": "bare"},
			err: "its engine at " + secure + ` of context "bare" and this machine do not trust each other: `},
		"the engine wants a certificate": {env: map[string]string{"DOCKER_CONTEXT": "skips"},
			err: "its engine at " + secure + ` of context "skips" and this machine do not trust each other: `},
		"the chosen does not answer": {config: `{"currentContext": "gone"}`,
			err: `no engine answers at unix:///none/docker.sock of context "gone": start Docker, choose another with ` +
				`"docker context use", or build with BuildKit, in the cluster or with ACR Tasks`},
		"the named does not answer": {env: map[string]string{"DOCKER_CONTEXT": "gone"},
			err: `of context "gone": start Docker, name another context with DOCKER_CONTEXT, or build`},
		"DOCKER_HOST does not answer": {env: map[string]string{"DOCKER_HOST": "unix:///none.sock"},
			err: "no engine answers at unix:///none.sock: start Docker, name another with DOCKER_HOST, or build"},
		"the chosen is not there": {config: `{"currentContext": "mine"}`, err: `there is no context "mine" in DIR/contexts: ` +
			`correct currentContext in DIR/config.json to one that "docker context ls" shows`},
		"the named is not there": {env: map[string]string{"DOCKER_CONTEXT": "mine"}, err: `there is no context "mine" in ` +
			`DIR/contexts: correct DOCKER_CONTEXT to one that "docker context ls" shows`},
		"a context without an engine": {env: map[string]string{"DOCKER_CONTEXT": "kube"}, err: `its context "kube" cannot be ` +
			`used: cannot find docker endpoint in context: correct it, or name another context with DOCKER_CONTEXT`},
		"a torn context": {env: map[string]string{"DOCKER_CONTEXT": "torn"}, err: `its context "torn" cannot be used: `},
		"a context with an odd host": {env: map[string]string{"DOCKER_CONTEXT": "odd"},
			err: "the settings of its client for nowhere of context \"odd\" are wrong: unable to parse docker host `nowhere`: " +
				"correct DOCKER_CONTEXT, its certificates or DOCKER_API_VERSION"},
		"certificates that are none": {env: map[string]string{"DOCKER_CONTEXT": "spoilt"}, err: "of context \"spoilt\" are wrong: " +
			"failed to retrieve context tls info: ca.pem seems invalid: correct DOCKER_CONTEXT, its certificates or"},
		"an odd host": {env: map[string]string{"DOCKER_HOST": "gopher://h"},
			err: "the settings of its client are wrong: invalid bind address format: gopher://h: correct DOCKER_HOST"},
		"a torn configuration": {config: "{", err: "its configuration cannot be used: parsing config file (DIR/config.json): " +
			"unexpected EOF: correct that file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := s.folder
			if c.config != "" {
				folder = t.TempDir()
				here := settings{t, folder}
				here.write(config, c.config)
				if err := os.Symlink(s.folder+"/contexts", folder+"/contexts"); err != nil {
					t.Fatal(err)
				}
			}
			b, err := Engine(t.Context(), func(variable string) string {
				if variable == "DOCKER_CONFIG" {
					return folder
				}
				return c.env[variable]
			})
			if c.err != "" {
				want := strings.ReplaceAll(c.err, "DIR", folder)
				if !errors.As(err, new(*UnavailableError)) || !strings.Contains(err.Error(), want) ||
					strings.Contains(err.Error(), "\n") {
					t.Errorf("told\n%v\nwant\n%s", err, want)
				}
				return
			}
			if err != nil || b.Name() != "Docker's engine at "+c.want {
				t.Errorf("got %v, %v, want %s", b, err, c.want)
			}
		})
	}
}

// Without anything it is the usual place, also where another context is chosen.
func TestTheUsualEngine(t *testing.T) {
	t.Parallel()
	s := newSettings(t)
	s.write("config.json", `{"currentContext": "colima", "HttpHeaders": {"X-Meta": "1"}}`)
	s.write("ca.pem", "")
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no configuration": {map[string]string{"HOME": t.TempDir()}, client.DefaultDockerHost},
		"the default":      {map[string]string{"DOCKER_CONFIG": s.folder, "DOCKER_CONTEXT": "default"}, client.DefaultDockerHost},
		"with TLS": {map[string]string{"DOCKER_CONFIG": s.folder, "DOCKER_CONTEXT": "default", "DOCKER_TLS": "1"},
			"tcp://localhost:2376"},
	} {
		p, err := locate(func(variable string) string { return c.env[variable] })
		if err != nil || p.String() != c.want || (p.headers["X-Meta"] == "1") != (c.env["DOCKER_CONFIG"] != "") ||
			p.SkipTLSVerify != (c.env["DOCKER_TLS"] != "") {
			t.Errorf("%s: got %+v, %v, want %s", name, p, err, c.want)
		}
	}
}

// Where no variable names a home, the working directory is none.
func TestNoEngineIsTakenFromTheWorkingDirectory(t *testing.T) {
	s := newSettings(t)
	s.write(".docker/config.json", `{"currentContext": "theirs"}`)
	t.Chdir(s.folder)
	p, err := locate(func(string) string { return "" })
	if p.context == "theirs" || err != nil && strings.Contains(err.Error(), "theirs") {
		t.Errorf("got %s, %v", p, err)
	}
}

// What ssh says is told, and what to do about it.
func TestAnEngineThatSSHDoesNotReach(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"no such host": {"echo 'ssh: Could not resolve hostname there: Name or service not known' >&2; exit 255",
			"no engine is reached at ssh://me@there: ssh: Could not resolve hostname there: Name or service not known: see that " +
				"\"ssh HOST docker version\" works without a question, or name another with DOCKER_HOST"},
		"no Docker there": {"echo 'sh: 1: docker: not found' >&2; exit 127",
			"no engine is reached at ssh://me@there: sh: 1: docker: not found: see that "},
		"without a word": {"exit 1", "no engine is reached at ssh://me@there: command [ssh -l me -o ConnectTimeout=30 -T -- there " +
			"docker system dial-stdio] has exited with exit status 1, make sure "},
		"no ssh": {"", `no engine is reached at ssh://me@there: exec: "ssh": executable file not found in $PATH: see that `},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSettings(t)
			t.Setenv("PATH", s.folder)
			s.write("ssh", "#!/bin/sh\n[ \"$*\" = '-l me -o ConnectTimeout=30 -T -- there docker system dial-stdio' ] || exit 9\nread -r line\n"+
				c.script+"\n")
			mode := os.FileMode(0o700)
			if c.script == "" {
				mode = 0
			}
			if err := os.Chmod(s.folder+"/ssh", mode); err != nil {
				t.Fatal(err)
			}
			_, err := Engine(t.Context(), func(variable string) string {
				return map[string]string{"DOCKER_HOST": "ssh://me@there", "DOCKER_CONFIG": s.folder}[variable]
			})
			if !errors.As(err, new(*UnavailableError)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("told\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}
