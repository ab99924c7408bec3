// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	list, err := readDeviations(deviationsFile)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("../../docs/conformance.md")
	if err != nil || string(old) != document(list) {
		t.Errorf("docs/conformance.md is not what deviations.yaml says (%v): run make docs", err)
	}
}

func TestDeviationsThatAreNotComplete(t *testing.T) {
	t.Parallel()
	const whole = "- {id: a, azureml: b, here: c, reason: d, matches: [{aspect: refused, pattern: e}]}"
	for change, want := range map[string]string{
		"id: a>":               `deviation "" lacks`,
		"reason: d>":           `deviation "a" lacks`,
		"pattern: e>":          "a pattern is missing",
		"pattern: e>(":         "missing closing )",
		"aspect: refused>":     `no aspect that can be explained: ""`,
		"refused>silent":       `no aspect that can be explained: "silent"`,
		"reason: d>purpose: d": "unknown field",
	} {
		old, with, _ := strings.Cut(change, ">")
		if with == "" || with == "(" {
			with = old[:strings.IndexByte(old, ':')] + `: "` + with + `"`
		}
		_, err := readDeviations([]byte(strings.Replace(whole, old, with, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", change, err, want)
		}
	}
}

func TestSamplesDependOnTheSeed(t *testing.T) {
	t.Parallel()
	texts := func(seed uint64) (all []string) {
		for _, s := range generate(seed, 200) {
			all = append(all, s.kind+s.show())
		}
		return all
	}
	if a, b := texts(1), texts(1); !reflect.DeepEqual(a, b) {
		t.Error("a seed makes other files the second time")
	}
	if reflect.DeepEqual(texts(1), texts(2)) {
		t.Error("two seeds make the same files")
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	content := object(entry{"a", plain("yes")}, entry{"b c", list(text("yes"), object(entry{"key", text("it's")}))},
		entry{"none", object()})
	for s, want := range map[style]string{
		jsonStyle:    "{\n  \"a\": yes,\n  \"b c\": [\n    \"yes\",\n    {\n      \"key\": \"it's\"\n    }\n  ],\n  \"none\": {}\n}\n",
		compactStyle: `{"a":yes,"b c":["yes",{"key":"it's"}],"none":{}}`,
		yamlStyle:    "\"a\": yes\n\"b c\":\n  - \"yes\"\n  - key: 'it''s'\nnone: {}\n",
		flowStyle:    "{\"a\": yes, \"b c\": [\"yes\", {key: 'it''s'}], none: {}}\n",
	} {
		if got := render(content, s); got != want {
			t.Errorf("style %d:\n%s\nwant\n%s", s, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	q := question{Kind: "deployment"}
	yes := answer{Config: map[string]any{"computeType": "AKS", "numReplicas": 2.0}}
	other := answer{Config: map[string]any{"computeType": "AKS", "numReplicas": 3.0, "namespace": ""}}
	no := answer{Refused: []string{"Invalid configuration, num_replicas must be greater than zero."}}
	finding := func(field, message string) amlv1.Findings { return amlv1.Findings{{Field: field, Message: message}} }
	read := no
	read.Readable, read.Document = true, map[string]any{"numReplicas": true}
	cases := map[string]struct {
		theirs, mine answer
		findings     amlv1.Findings
		want         []difference
	}{
		"the same":            {yes, yes, nil, nil},
		"another value":       {yes, other, nil, []difference{{configured, "numReplicas", "numReplicas: 2, here 3"}}},
		"accepted here":       {no, yes, nil, []difference{{accepted, "", no.Refused[0]}}},
		"refused here":        {yes, no, finding("a", "is b"), []difference{{refused, "a", "a: is b"}}},
		"both say it":         {no, no, finding("numReplicas", "must be greater than 0, not 0"), nil},
		"the field is unsaid": {no, no, finding("a", "is b"), []difference{{silent, "numReplicas", "Invalid configuration, num_replicas must"}}},
		"a mistaken type": {read, no, finding("numReplicas", "must be true or false, not true"), []difference{{mistaken, "numReplicas",
			"numReplicas: must be true or false, not true, but Azure ML read true"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := compare(q, c.theirs, c.mine, c.findings); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// stubborn refuses each file with a text in it.
type stubborn struct{ word, file string }

func (s stubborn) ask(question) (answer, error) {
	src, err := os.ReadFile(s.file)
	if strings.Contains(string(src), s.word) {
		return answer{Refused: []string{"has " + s.word}}, err
	}
	return answer{Config: map[string]any{"computeType": "AKS"}}, err
}

func TestDifferencesAreShownSmall(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	dir := t.TempDir()
	r := run{probe: stubborn{"bad", dir + "/sample.json"}, dir: dir, out: &out}
	tree := object(entry{"computeType", text("AKS")}, entry{"namespace", text("models")}, entry{"unknown", text("bad")})
	left, err := r.all([]sample{{kind: "deploymentconfig", question: "deployment", tree: tree, style: yamlStyle,
		edit: edit{name: "document-start"}}})
	if err == nil {
		err = r.report()
	}
	const want = `deploymentconfig                     0 accepted     1 refused

deploymentconfig, 1 times: accepted: has bad
    {
      "computeType": "AKS",
      "unknown": "bad"
    }

  Azure ML: refused: has bad
  here:     accepted: map[computeType:"AKS"]
`
	if err != nil || left != 1 || strings.ReplaceAll(out.String(), "\n\n  Az", "\n  Az") != strings.ReplaceAll(want, "\n\n  Az", "\n  Az") {
		t.Errorf("%d left, error %v:\n%s", left, err, out.String())
	}
}

func TestRunsAtOnceWaitForEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("stopped"))
	if _, err := lock(ended, path); err == nil || err.Error() != "stopped" {
		t.Errorf("a second run got the lock, or the error %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
}

// Only the marker that is written last makes an environment one to be used.
func TestAnEnvironmentThatIsHalfMadeIsMadeAnew(t *testing.T) {
	t.Setenv("PATH", fakePython(t))
	cache := t.TempDir()
	var log bytes.Buffer
	e, err := prepare(t.Context(), cache, &log)
	if err == nil || !strings.Contains(err.Error(), "-m: exit status 7") {
		t.Fatalf("without PyPI there is the error %v", err)
	}
	log.Reset()
	again, err := prepare(t.Context(), cache, &log)
	if err == nil || again != e || !strings.HasPrefix(log.String(), "installing azureml-core for Python 3.11 in "+e.dir) {
		t.Errorf("half of an environment was used: %v, %s", err, &log)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t.Context(), cache, &log); err != nil {
		t.Errorf("a whole environment: %v", err)
	}
}

// fakePython is a folder with a Python that makes virtual environments, in which
// pip fails.
func fakePython(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const script = `#!/bin/sh
case "$1 $2" in
"-m venv") /bin/mkdir -p "$3/bin" && /bin/cp "$0" "$3/bin/python" ;;
"-m pip") exit 7 ;;
*) echo 3.11 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "python3.11"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWithoutAPythonNothingIsCompared(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := prepare(t.Context(), t.TempDir(), &bytes.Buffer{})
	if err == nil || !strings.HasPrefix(err.Error(), "no Python that azureml-core runs with: install Python 3.8 to 3.11") {
		t.Errorf("error %v", err)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	half := map[string]*count{"AKS": {accepted: 50, refused: 50}}
	cases := map[string]struct {
		run         run
		differences int
		want        string
	}{
		"agreed":             {run{counts: half}, 0, ""},
		"a difference":       {run{counts: half}, 1, "1 kinds of differences are not explained"},
		"too few refused":    {run{counts: map[string]*count{"AKS": {accepted: 90, refused: 10}}}, 0, "AKS: 90 accepted and 10 refused"},
		"an idle deviation":  {run{counts: half, deviations: []*deviation{{ID: "x"}}}, 0, "deviation x explains nothing"},
		"a deviation in use": {run{counts: half, deviations: []*deviation{{ID: "x", hits: 1}}}, 0, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := options{seed: defaultSeed, count: defaultCount}.verdict(&c.run, c.differences, &bytes.Buffer{})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
