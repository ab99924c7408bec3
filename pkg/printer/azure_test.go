// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// asAz is testdata/az.json: what az prints. testdata/az.py makes it.
type asAz struct {
	Answers map[string]json.RawMessage `json:"answers"`
	Cases   []struct {
		Answer string `json:"answer"`
		Query  string `json:"query"`
		JSON   string `json:"json"`
		TSV    string `json:"tsv"`
		Table  string `json:"table"`
		YAML   string `json:"yaml"`
	} `json:"cases"`
}

func readAz(t testing.TB) asAz {
	t.Helper()
	raw, err := os.ReadFile("testdata/az.json")
	if err != nil {
		t.Fatal(err)
	}
	var az asAz
	if err := json.Unmarshal(raw, &az); err != nil {
		t.Fatal(err)
	}
	return az
}

func printed(t testing.TB, format printer.AzureFormat, query string, v any) string {
	t.Helper()
	q, err := printer.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (printer.Azure{Format: format, Query: q}).Print(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnswersAreWrittenAsAzWritesThem(t *testing.T) {
	t.Parallel()
	az := readAz(t)
	for _, c := range az.Cases {
		v := az.Answers[c.Answer]
		for format, want := range map[printer.AzureFormat]string{
			printer.AzureTSV: c.TSV, printer.AzureTable: c.Table,
		} {
			if got := printed(t, format, c.Query, v); got != want {
				t.Errorf("%s of %s, query %q:\n%q\naz writes\n%q", format, c.Answer, c.Query, got, want)
			}
		}
		// JSON and YAML are compared by what they say, JSON also line by line.
		got := printed(t, printer.AzureJSON, c.Query, v)
		if !same(t, got, c.JSON) || strings.Count(got, "\n") != strings.Count(c.JSON, "\n") {
			t.Errorf("JSON of %s, query %q:\n%s\naz writes\n%s", c.Answer, c.Query, got, c.JSON)
		}
		if got := printed(t, printer.AzureYAML, c.Query, v); !same(t, got, c.YAML) {
			t.Errorf("YAML of %s, query %q:\n%s\naz writes\n%s", c.Answer, c.Query, got, c.YAML)
		}
		if got := printed(t, printer.AzureNone, c.Query, v); got != "" {
			t.Errorf("none of %s, query %q writes %q", c.Answer, c.Query, got)
		}
	}
}

// same tells whether two texts are the same value; YAML is a superset of JSON.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	left, err := yaml.YAMLToJSON([]byte(a))
	if err != nil {
		t.Fatalf("%v in\n%s", err, a)
	}
	right, err := yaml.YAMLToJSON([]byte(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return bytes.Equal(left, right)
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	v := map[string]any{"name": "a \"b\": 1", "n": 1.5, "on": true, "none": nil, "tags": map[string]any{"x": "y"},
		"list": []any{1, "t"}}
	var text strings.Builder
	for _, format := range []printer.AzureFormat{printer.AzureColourJSON, printer.AzureColourYAML} {
		for _, colour := range []bool{true, false} {
			if err := (printer.Azure{Format: format, Colour: colour}).Print(&text, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden.Assert(t, "testdata/colours.txt", strings.ReplaceAll(text.String(), "\x1b", "ESC"))
}

func TestAWrongQueryIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"[?state==Healthy'":  `query "[?state==Healthy'" is no JMESPath at character 18: `,
		"name.":              `query "name." is no JMESPath at character 6: `,
		"a b":                `query "a b" is no JMESPath at character 3: `,
		"'é' ,":              `query "'é' ," is no JMESPath at character 5: `,
		"{name}":             `query "{name}" is no JMESPath at character 6: `,
		"a-b":                `query "a-b": az's JMESPath has no arithmetic`,
		"$.name":             `query "$.name": az's JMESPath has no variables and no $`,
		"let $x = @ in name": `query "let $x = @ in name": az's JMESPath has no variables`,
	} {
		_, err := printer.ParseQuery(query)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s…", query, err, want)
		}
	}
	for query, want := range map[string]string{
		"length(nothing)":  `query "length(nothing)": `,
		"no_such(name)":    `query "no_such(name)": `,
		"keys(name)":       `query "keys(name)": `,
		"[0:1:0]":          `query "[0:1:0]": `,
		"sort_by(@, &a)":   `query "sort_by(@, &a)": `,
		"&name":            `query "&name": an expression behind & is for a function`,
		"merge({a:`1`},@)": "query \"merge({a:`1`},@)\": ",
	} {
		q, err := printer.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		err = printer.Azure{Query: q}.Print(&bytes.Buffer{}, []any{"x", 1})
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s…", query, err, want)
		}
	}
}

func TestFormatsAreReadAsAzReadsThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]printer.AzureFormat{"": "json", "TSV": "tsv", "jsonc": "jsonc", "none": "none"} {
		if got, err := printer.ParseAzureFormat(text); got != want || err != nil {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	if _, err := printer.ParseAzureFormat("wide"); err == nil || !strings.Contains(err.Error(), "table, tsv, none") {
		t.Errorf("wide: %v", err)
	}
}

// FuzzQuery looks for expressions that end the program, and for answers that
// are not the same when asked twice.
func FuzzQuery(f *testing.F) {
	az := readAz(f)
	for _, c := range az.Cases {
		f.Add(c.Query)
	}
	f.Add("[?state==")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := printer.ParseQuery(text)
		if err != nil {
			return
		}
		for _, v := range az.Answers {
			for _, format := range strings.Split(printer.AzureFormats, ", ") {
				var first, second bytes.Buffer
				a := printer.Azure{Format: printer.AzureFormat(format), Query: q, Colour: true}
				err := a.Print(&first, v)
				again := a.Print(&second, v)
				if (err == nil) != (again == nil) || first.String() != second.String() {
					t.Errorf("query %q, format %s: %q, then %q (%v, %v)", text, format, first.String(), second.String(), err, again)
				}
			}
		}
	})
}
