// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

const someDigest = "@sha256:1111111111111111111111111111111111111111111111111111111111111111"

func digest(t rapid.TB, e Environment) string {
	t.Helper()
	digests := map[string]string{}
	for _, base := range e.Bases() {
		digests[base] = "r.example.test/x" + someDigest
	}
	p, err := e.Pin(digests)
	if err != nil {
		t.Fatal(err)
	}
	return p.Digest()
}

func full() Environment {
	return Environment{Name: "n", Base: "python:3.11", Platform: "linux/amd64",
		Channels: []string{"conda-forge", "anaconda"}, Conda: []string{"python=3.11", "numpy>=1.20,<2", "libgomp"},
		Pip: []string{"azureml-defaults", "scikit-learn>=1.0,<2", "torch[opt,dev]==2.1.0+cu118", "numpy<2; python_version < \"3.12\"",
			"mine @ https://example.test/Mine.whl", "--extra-index-url https://example.test/simple", "--index-url https://Example.test/S"}}
}

// TestDigestIsGolden holds that a digest is the same on every machine and in
// every release: a difference here makes every environment anew.
func TestDigestIsGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range []struct {
		name        string
		environment Environment
	}{
		{"a base alone", Environment{Base: "b", UserManaged: true}},
		{"a Dockerfile", Environment{Dockerfile: "FROM a AS x\nRUN y\n", UserManaged: true}},
		{"pip", Environment{Base: "b", Conda: []string{"python=3.11"}, Pip: []string{"azureml-defaults"}}},
		{"a server on a base", Environment{Base: "b", UserManaged: true, Serving: true}},
		{"an interpreter", Environment{Base: "b", UserManaged: true, Interpreter: "/opt/conda/bin/python"}},
		{"all of it", full()},
	} {
		b.WriteString(c.name + ": " + digest(t, c.environment) + "\n")
	}
	golden.Assert(t, "testdata/digests.golden", b.String())
}

// TestDigestOfWhatIsTheSame holds that order, case, spaces, spelling and
// repetition are nothing to the digest, in a thousand forms of one environment.
func TestDigestOfWhatIsTheSame(t *testing.T) {
	t.Parallel()
	want := digest(t, full())
	text := mustPin(t, full()).Dockerfile()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		e := full()
		e.Name, e.Platform = strconv.Itoa(random.Int()), pick(random, "linux/amd64", "")
		e.Conda = disordered(random, e.Conda, func(s string) string {
			name, rest, _ := strings.Cut(s, ">=")
			if rest == "" {
				return pick(random, s, " "+strings.ToUpper(s), strings.Replace(s, "=", " = ", 1))
			}
			return name + pick(random, ">=", " >= ") + strings.ReplaceAll(rest, ",", pick(random, ",", " , "))
		})
		e.Pip = disordered(random, e.Pip, func(s string) string { return respelled(random, s) })
		if got := digest(t, e); got != want {
			t.Fatalf("%s is not %s:\n%q\n%q", got, want, e.Conda, e.Pip)
		}
		if got := mustPin(t, e).Dockerfile(); got != text {
			t.Fatalf("one digest has two texts:\n%s\n%s", got, text)
		}
	}
}

func mustPin(t *testing.T, e Environment) Pinned {
	t.Helper()
	p, err := e.Pin(map[string]string{e.Base: "r.example.test/x" + someDigest})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pick(random *rand.Rand, words ...string) string { return words[random.IntN(len(words))] }

// disordered is a list with the same things in it: in another order, in other
// words, some of them twice.
func disordered(random *rand.Rand, list []string, say func(string) string) []string {
	var out []string
	for _, s := range list {
		for range 1 + random.IntN(2) {
			out = append(out, say(s))
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// respelled is a line of pip's in other words.
func respelled(random *rand.Rand, s string) string {
	space := func() string { return pick(random, "", " ", "  ", "\t") }
	comment := pick(random, "", "  # needed", " #")
	if option, value, ok := strings.Cut(s, " "); ok && strings.HasPrefix(s, "--") {
		if option == "--index-url" {
			option = pick(random, option, "-i")
		}
		if strings.HasPrefix(option, "--") {
			return space() + option + pick(random, " ", "=", "  ") + value + comment
		}
		return option + pick(random, " ", "") + value + comment
	}
	if name, url, ok := strings.Cut(s, " @ "); ok {
		return strings.ToUpper(name) + space() + "@" + space() + url + comment
	}
	s, marker, marked := strings.Cut(s, ";")
	name := s[:strings.IndexAny(s+"=", "[<>=")]
	rest := s[len(name):]
	var recased strings.Builder
	for _, r := range name {
		c := string(r)
		if c == "-" {
			c = pick(random, "-", "_", ".", "-_")
		}
		recased.WriteString(pick(random, c, strings.ToUpper(c)))
	}
	rest = strings.NewReplacer("opt,dev", pick(random, "opt,dev", "Dev , OPT"), ">=1.0,<2", pick(random, ">=1.0,<2", "< 2 ,>=  1.0"),
		"cu118", pick(random, "cu118", "CU118")).Replace(rest)
	out := space() + recased.String() + space() + rest + space()
	if marked {
		out += ";" + space() + strings.NewReplacer(`"`, pick(random, `"`, "'"), " < ", pick(random, " < ", "<", " <")).
			Replace(strings.TrimSpace(marker))
	}
	return out + comment
}

// TestDigestOfWhatDiffers holds that each thing an image is made of is in the
// digest.
func TestDigestOfWhatDiffers(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*Environment){
		"a platform":            func(e *Environment) { e.Platform = "linux/arm64" },
		"another Python":        func(e *Environment) { e.Conda[0] = "python=3.12" },
		"a package less":        func(e *Environment) { e.Conda = e.Conda[:2] },
		"an extra":              func(e *Environment) { e.Pip[2] = "torch[opt]==2.1.0+cu118" },
		"a local version":       func(e *Environment) { e.Pip[2] = "torch[opt,dev]==2.1.0+cu121" },
		"a marker":              func(e *Environment) { e.Pip[3] = "numpy<2; python_version < \"3.11\"" },
		"no marker":             func(e *Environment) { e.Pip[3] = "numpy<2" },
		"the case of a URL":     func(e *Environment) { e.Pip[4] = "mine @ https://example.test/mine.whl" },
		"another index":         func(e *Environment) { e.Pip[5] = "--extra-index-url https://example.test/other" },
		"an option more":        func(e *Environment) { e.Pip = append(e.Pip, "--pre") },
		"the order of channels": func(e *Environment) { slices.Reverse(e.Channels) },
		"a channel less":        func(e *Environment) { e.Channels = e.Channels[:1] },
		"the scoring server":    func(e *Environment) { e.Serving = true },
		"a base that has all":   func(e *Environment) { e.UserManaged = true },
		"a Dockerfile":          func(e *Environment) { e.Dockerfile = "FROM python:3.11\n" },
		"an interpreter":        func(e *Environment) { e.Interpreter = "/opt/conda/bin/python" },
	}
	seen := map[string]string{digest(t, full()): "the environment itself"}
	for name, change := range cases {
		e := full()
		change(&e)
		got := digest(t, e)
		if other := seen[got]; other != "" {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[got] = name
	}
	p, err := full().Pin(map[string]string{"python:3.11": "x@sha256:" + strings.Repeat("2", 64)})
	if err != nil || seen[p.Digest()] != "" {
		t.Errorf("another image has the digest of %q: %v", seen[p.Digest()], err)
	}
}

// TestAnyVersionChangesTheDigest holds it for all versions.
func TestAnyVersionChangesTheDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){0,2}(rc[0-9])?`)
		one, other := version.Draw(t, "one"), version.Draw(t, "other")
		if one == other {
			return
		}
		operator := rapid.SampledFrom([]string{"==", ">=", "<", "~=", "!="}).Draw(t, "operator")
		at := func(v string) Environment { return Environment{Base: "b", Pip: []string{"x", "name" + operator + v}} }
		if digest(t, at(one)) == digest(t, at(other)) {
			t.Fatalf("%s and %s have one digest", one, other)
		}
		conda := func(v string) Environment { return Environment{Base: "b", Conda: []string{"name=" + v}} }
		if digest(t, conda(one)) == digest(t, conda(other)) {
			t.Fatalf("%s and %s of conda have one digest", one, other)
		}
	})
}

func TestDigestOfADockerfile(t *testing.T) {
	t.Parallel()
	of := func(text string) string { return digest(t, Environment{Dockerfile: text, UserManaged: true}) }
	want := of("FROM a\nRUN x \\\n  y\n")
	for name, text := range map[string]string{
		"other line ends": "FROM a\r\nRUN x \\\r\n  y\r\n", "spaces at the end": "FROM a  \nRUN x \\\n  y\t\n\n\n",
	} {
		if of(text) != want {
			t.Errorf("%s change the digest", name)
		}
	}
	for name, text := range map[string]string{
		"another step": "FROM a\nRUN x \\\n  z\n", "spaces inside": "FROM a\nRUN x \\\n   y\n", "an image more": "FROM b\nFROM a\nRUN x \\\n  y\n",
	} {
		if of(text) == want {
			t.Errorf("%s does not change the digest", name)
		}
	}
}
