// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"regexp"
	"strings"
	"testing"
)

// builtWorld is a world with a config that describes an environment on base:1.
func builtWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.push("base:1")
	w.write("ic.json", `{"entryScript": "score.py", "environment": {"docker": {"baseImage": "`+w.registry+`/base:1"},
		"python": {"condaDependencies": {"dependencies": ["python=3.12", {"pip": ["azureml-defaults"]}]}}}}`)
	return w
}

func TestWhatIsWrongWithABuildIsToldAtOnce(t *testing.T) {
	t.Parallel()
	w := builtWorld(t)
	w.write("bad.json", `{"entryScript": "my-score.py", "sourceDirectory": "nowhere", "runtime": "perl"}`)
	w.write("bad.pem", "no certificate")
	for name, c := range map[string]struct {
		args string
		code int
		want []string
	}{
		"nothing to build": {"", 2, []string{"nothing to build: give --inference-config, --environment-directory or --environment-name"}},
		"no registry": {"--inference-config ic.json --registry=", 2,
			[]string{"no registry to push the environment to: name one with --registry or AML_REGISTRY"}},
		"all flags": {"--registry HTTP://x --global-registry A/b --dry-run=server --builder kaniko --buildkit-certificates c " +
			"--micromamba-image A,target=/b", 2, []string{
			`registry "HTTP://x" is not valid`, `--global-registry: registry "A/b" is not valid`, "nothing to build",
			`there is no builder "kaniko"`, "--buildkit-certificates are for a BuildKit at tcp://",
			`--micromamba-image: image "A,target=/b" is not valid`,
			`dry-run "server" is not known: write none or client`}},
		"certificates": {"--inference-config ic.json --registry-ca bad.pem", 1, []string{"DIR/bad.pem"}},
		"the file and its paths": {"--inference-config bad.json --dry-run", 1, []string{
			"bad.json:1:73: runtime: must be one of python", "sourceDirectory: DIR/nowhere does not exist"}},
	} {
		r := w.run(append([]string{"build"}, strings.Fields(c.args)...)...)
		for _, want := range c.want {
			if !strings.Contains(r.err, want) {
				t.Errorf("%s: does not say %q:\n%s", name, want, r.err)
			}
		}
		if r.code != c.code || r.out != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, r.code, c.code, r.out, r.err)
		}
	}
}

func TestABuildFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	w := builtWorld(t)
	for _, flag := range []string{"--dry-run", "--dry-run=client"} {
		shown := w.fine(w.run("build", "--inference-config", "ic.json", flag))
		if !strings.HasPrefix(shown.out, "FROM "+w.registry+"/base@sha256:") ||
			!regexp.MustCompile(`^environment: its digest is [0-9a-f]{64}\n$`).MatchString(shown.err) {
			t.Errorf("%s: %s%s", flag, shown.out, shown.err)
		}
	}
	shown := w.run("build", "--inference-config", "ic.json", "--dry-run")
	digest := strings.TrimSpace(shown.err[strings.LastIndex(strings.TrimSpace(shown.err), " "):])
	short := digest[:12]
	w.push("team/global/environments:" + digest)
	for name, c := range map[string]struct{ registry, out, err string }{
		"in the registry": {"REGISTRY/team/global", "REGISTRY/team/global/environments@DIGEST\n",
			"environment " + short + ": found in REGISTRY/team/global/environments\n"},
		"in a global registry": {"REGISTRY/mine --global-registry REGISTRY/team/global",
			"REGISTRY/team/global/environments@DIGEST\n", "environment " + short + ": not in REGISTRY/mine/environments\n" +
				"environment " + short + ": found in REGISTRY/team/global/environments\n"},
	} {
		r := w.run(strings.Fields("build --inference-config ic.json --registry " +
			strings.ReplaceAll(c.registry, "REGISTRY", w.registry))...)
		if r.code != 0 || w.plain(r.out) != c.out || r.err != c.err {
			t.Errorf("%s: exit code %d\n%s%s\nwant\n%s%s", name, r.code, w.plain(r.out), r.err, c.out, c.err)
		}
	}
}
