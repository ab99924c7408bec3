// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"
)

// What is wrong is told in one line, and nothing is changed by it.
func TestWrongInputIsToldInOneLineAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--traffic", "50")
	before := s.objects()
	cases := map[string]struct {
		args []string
		code int
		want string
	}{
		"no cluster":          {append(s.echoArgs("green", "x"), "--server", "https://127.0.0.1:1"), 1, "127.0.0.1:1"},
		"no such namespace":   {append(s.echoArgs("green", "x"), "-n", "nowhere"), 1, `nowhere`},
		"no such endpoint":    {[]string{"status", "nothing"}, 1, `no endpoint "nothing" in namespace`},
		"bad version name":    {s.echoArgs("v1", "x"), 1, `version name "v1" is not valid: write 3 to 32`},
		"too much traffic":    {[]string{"traffic", "set", "echo", "blue=101"}, 1, "not a percentile"},
		"a sum over 100":      {s.echoArgs("green", "x", "--traffic", "60"), 1, `sums to 110`},
		"unknown version":     {[]string{"traffic", "set", "echo", "red=5"}, 1, `"red" is not a version of endpoint "echo": there is blue`},
		"no model file":       {[]string{"deploy", "echo", "-m", "absent.pkl", "--entry-script", "testdata/echo/score.py"}, 1, "absent.pkl"},
		"no registry there":   {append(s.echoArgs("green", "x"), "--registry", "127.0.0.1:1"), 1, "127.0.0.1:1"},
		"no inference config": {[]string{"deploy", "echo", "--inference-config", "absent.json"}, 1, "absent.json"},
		"unknown flag":        {[]string{"deploy", "echo", "--nonsense"}, 2, "unknown flag: --nonsense"},
		"unknown values":      {[]string{"render", "echo", "--values", "testdata/unknown-values.yaml"}, 1, "trafic"},
	}
	for name, c := range cases {
		r := s.run(c.args...)
		line := lastLine(r.err)
		if r.code != c.code || r.out != "" || !strings.HasPrefix(line, "error: ") || !strings.Contains(line, c.want) {
			t.Errorf("%s: exit code %d, want %d and an error with %q:\n%s", name, r.code, c.code, c.want, r.err)
		}
		if strings.Count(r.err, "error: ") != 1 {
			t.Errorf("%s: more than one error:\n%s", name, r.err)
		}
	}
	if after := s.objects(); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("objects are %v and were %v", after, before)
	}
	s.everyRouterRuns("echo", map[string]float64{"blue": 100})
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// unpackRelease is Helm's record of a revision as JSON.
func unpackRelease(t *testing.T, record []byte) []byte {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(string(record))
	must(t, err)
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	return text
}
