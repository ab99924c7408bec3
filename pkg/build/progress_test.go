// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/bklog"
	digest "github.com/opencontainers/go-digest"
)

func id(name string) digest.Digest { return digest.FromString(name) }

// at is a time in a build that began at a fixed one.
func at(seconds float64) *time.Time {
	t := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	return &t
}

func begun(name string) *client.SolveStatus {
	return &client.SolveStatus{Vertexes: []*client.Vertex{{Digest: id(name), Name: name, Started: at(0)}}}
}

func gone(name string, seconds float64, why string) *client.SolveStatus {
	return &client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: id(name), Name: name, Started: at(0), Completed: at(seconds), Error: why}}}
}

func cached(name string) *client.SolveStatus {
	return &client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: id(name), Name: name, Started: at(0), Completed: at(0), Cached: true}}}
}

func prints(name, text string) *client.SolveStatus {
	return &client.SolveStatus{Logs: []*client.VertexLog{{Vertex: id(name), Data: []byte(text)}}}
}

func moves(name string, current, total int64, seconds float64) *client.SolveStatus {
	return &client.SolveStatus{Statuses: []*client.VertexStatus{
		{ID: "blob", Vertex: id(name), Current: current, Total: total, Timestamp: *at(seconds)}}}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const from, pip = "[1/2] FROM example.com/base", "[2/2] RUN pip install \\\n   numpy"
	for name, c := range map[string]struct {
		statuses []*client.SolveStatus
		secrets  map[string]string
		want     []string
	}{
		"a step has its number, its lines and how long it took": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, "Collecting numpy\nInst"), prints(pip, "alling\n"),
				gone(pip, 12.34, "")},
			want: []string{"[2/2] RUN pip install \\ numpy", "[2/2] | Collecting numpy", "[2/2] | Installing",
				"[2/2] done in 12.3s"},
		},
		"a step that was done before is marked": {
			statuses: []*client.SolveStatus{cached(from), cached(from)},
			want:     []string{"[1/2] CACHED FROM example.com/base"},
		},
		"what the builder does for itself is left out": {
			statuses: []*client.SolveStatus{begun("[internal] load build definition"),
				gone("[internal] load build definition", 1, "")},
		},
		"no part of a secret is where an instruction is cut": {
			statuses: []*client.SolveStatus{begun("[1/1] RUN " + strings.Repeat("a", 50) + "hidden-word" + strings.Repeat("b", 80))},
			secrets:  map[string]string{"x": "hidden-word"},
			want:     []string{"[1/1] RUN " + strings.Repeat("a", 50) + "***" + "bbb … " + strings.Repeat("b", 50)},
		},
		"a progress bar is its last state": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, "10%\r20%\r"), prints(pip, "90%\r100%\r\n")},
			want:     []string{"[2/2] RUN pip install \\ numpy", "[2/2] | 100%"},
		},
		"colours and what moves the terminal are left out": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, "\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07end\n")},
			want:     []string{"[2/2] RUN pip install \\ numpy", "[2/2] | red end"},
		},
		"a last line without an end is told": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, "bye"), gone(pip, 1, "exit code: 1")},
			want:     []string{"[2/2] RUN pip install \\ numpy", "[2/2] | bye", "[2/2] failed after 1s"},
		},
		"a long line is cut between characters": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, strings.Repeat("é", 400)+"\n")},
			want:     []string{"[2/2] RUN pip install \\ numpy", "[2/2] | " + strings.Repeat("é", 244) + "…"},
		},
		"a download is told every ten seconds": {
			statuses: []*client.SolveStatus{begun(from), moves(from, 1e6, 400e6, 0), moves(from, 50e6, 400e6, 5),
				moves(from, 120e6, 400e6, 11)},
			want: []string{"[1/2] FROM example.com/base", "[1/2] 120 MB of 400 MB"},
		},
		"secrets are not told": {
			statuses: []*client.SolveStatus{begun(pip), prints(pip, "https://me:s3cret-word@example.com/simple\ns3cret-word\n")},
			secrets:  map[string]string{"pip.conf": "[global]\nindex-url = https://me:s3cret-word@example.com/simple\n"},
			want:     []string{"[2/2] RUN pip install \\ numpy", "[2/2] | https://***@example.com/simple", "[2/2] | ***"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := map[string][]byte{}
			for id, text := range c.secrets {
				secrets[id] = []byte(text)
			}
			var got []string
			p := newProgress(func(line string) { got = append(got, line) }, secrets)
			for _, s := range c.statuses {
				p.update(s)
			}
			p.flush()
			if g, w := strings.Join(got, "\n"), strings.Join(c.want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
			for _, line := range got {
				if len(line) > longest {
					t.Errorf("a line has %d bytes", len(line))
				}
			}
		})
	}
}

func TestHidden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, line, want string }{
		"a token in a file":                {"tok-123456\n", "got tok-123456!", "got ***!"},
		"a token in the place of a name":   {"index-url=https://tok-123456@h/simple", "tok-123456", "***"},
		"a password that is written as %":  {"extra-index-url = https://u:p%40ssword@h/", "p@ssword p%40ssword", "*** ***"},
		"the value of a setting of a name": {"api_key = 'abcdefgh'", "abcdefgh", "***"},
		"a password of netrc":              {"machine h login me password abcdefgh", "abcdefgh", "***"},
		"an address without a login":       {"index-url = https://h/simple", "Looking in https://h/simple", "Looking in https://h/simple"},
		"a setting that is none":           {"timeout = 600000", "600000", "600000"},
		"what is too short to look for":    {"abc", "abc", "abc"},
		"a heading":                        {"[global]\n-----BEGIN CERTIFICATE-----", "[global]", "[global]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := hide(map[string][]byte{"s": []byte(c.secret)}).out(c.line); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStepThatFails(t *testing.T) {
	t.Parallel()
	const pip, other = "[build 2/3] RUN pip install tok-123456", "[stage-1 2/2] RUN sleep 9"
	p := newProgress(func(string) {}, map[string][]byte{"s": []byte("tok-123456")})
	p.update(begun(pip))
	for i := range 30 {
		p.update(prints(pip, fmt.Sprintf("line %d\n", i)))
	}
	p.update(gone(other, 1, "context canceled"))
	p.update(gone(pip, 1, `process "/bin/sh -c pip" did not complete successfully: exit code: 2`))
	err := explain(t.Context(), errors.New("failed to solve"), Request{Name: "env"}, p)
	var step *StepError
	if !errors.As(err, &step) {
		t.Fatalf("got %v", err)
	}
	if step.Step != "RUN pip install ***" || step.Code != 2 || len(step.Tail) != 20 || step.Tail[19] != "line 29" {
		t.Errorf("got %+v", step)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	const image = "[internal] load metadata for example.com/a/b:1"
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		place, text, want string
		ctx               context.Context
	}{
		"no such image": {place: image, text: "failed to solve: example.com/a/b:1: not found",
			want: "cannot build env: there is no image example.com/a/b:1: correct its name and tag"},
		"a login is wanted": {place: image, text: "failed to authorize: 401 Unauthorized",
			want: `cannot build env: the registry of example.com/a/b:1 wants a login (401): run "docker login example.com", then try again`},
		"a login is wanted by Azure": {place: "[internal] load metadata for e.azurecr.io/a:1", text: "failed to authorize: 401 Unauthorized",
			want: `cannot build env: the registry of e.azurecr.io/a:1 wants a login (401): run "az login" or "docker login e.azurecr.io", then try again`},
		"a login that may not": {place: image, text: "403 Forbidden", want: "cannot build env: the login does not allow to read " +
			`example.com/a/b:1, or it is not there (403): correct its name, or log in as somebody else with "docker login example.com"`},
		"too many requests": {place: "[internal] load metadata for docker.io/library/python:3", text: "429 Too Many Requests",
			want: "cannot build env: the registry of docker.io/library/python:3 has had too many requests (429): wait a few minutes, " +
				"then try again; a login raises the limit"},
		"another platform": {place: image, text: "no match for platform in manifest: not found",
			want: "cannot build env: the image example.com/a/b:1 is not there for the platform: start from one that is"},
		"no such registry": {place: image, text: "failed to do request: dial tcp: lookup example.com: no such host",
			want: "cannot build env: the builder does not know the name of the registry example.com: check the name, and the builder's network"},
		"nothing listens": {place: image, text: `failed to solve: failed to do request: Head "https://example.com/": connect: connection refused`,
			want: "cannot build env: the builder does not reach the registry example.com: Head \"https://example.com/\": connect: " +
				"connection refused: check the name and the port, and the builder's network"},
		"a frontend that cannot be had": {place: "resolve image config for docker-image://docker.io/docker/dockerfile:1",
			text: `failed to solve: failed to do request: Head "https://r/": dial tcp: i/o timeout`,
			want: `cannot build env: the builder does not reach the registry docker.io: Head "https://r/": dial tcp: i/o timeout: check the ` +
				`name and the port, and the builder's network; or take the line "# syntax=" out of the Dockerfile`},
		"a line of an old frontend": {text: "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: RUNN",
			want: "cannot build env: line 2 of the Dockerfile is wrong: unknown instruction: RUNN: correct that line"},
		"a line of a new frontend": {text: "failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
			want: "cannot build env: line 2 of the Dockerfile is wrong: unknown instruction: RUNN (did you mean RUN?): correct that line"},
		"a copy from the context": {text: `failed to solve: failed to compute cache key: "/x" not found: not found`,
			want: `cannot build env: a step copies "/x" from the build context, which is empty here: have a RUN step fetch it, or build an ` +
				"image with it first and start from that"},
		"a secret that is wanted": {text: "failed to solve: secret pip.conf: not found",
			want: "cannot build env: a step needs the secret pip.conf, and there is none: give the file of it, or make it not required"},
		"a full disk": {text: "failed to solve: write /var/lib/x: no space left on device",
			want: `cannot build env: no space is left where it builds: free some, such as the builder's cache: "docker builder prune" ` +
				`for Docker's engine, "buildctl prune" for BuildKit`},
		"a builder that went away": {text: "failed to solve: rpc error: code = Unavailable desc = error reading from server: EOF",
			want: "cannot build env: the builder broke the connection off: look at its logs, and try again: error reading from server: EOF"},
		"what is not known": {text: "failed to solve: a new\n  thing",
			want: "cannot build env: a new thing: see the lines of the build before this"},
		"it was ended": {text: "failed to solve: context canceled", ctx: stopped,
			want: "the build of env was ended: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgress(func(string) {}, nil)
			if c.place != "" {
				p.update(gone(c.place, 1, c.text))
			}
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			if got := explain(ctx, errors.New(c.text), Request{Name: "env"}, p).Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A library that logs to standard error would write into what is told there.
func TestForeignLogsAreSilent(t *testing.T) {
	t.Parallel()
	if out := bklog.G(silent(t.Context())).Logger.Out; out != io.Discard {
		t.Errorf("BuildKit's client logs to %T", out)
	}
}
