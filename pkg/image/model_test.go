// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"strings"
	"testing"
)

// here is the only file there is.
func here(path string) bool { return path == "here.pkl" }

func TestParseModel(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want Model
		err  string
	}{
		"a file":                     {"models/model.pkl", Model{"model.pkl", 1, "models/model.pkl"}, ""},
		"a folder":                   {"./bert/", Model{"bert", 1, "./bert/"}, ""},
		"a path of Windows":          {`C:\models\model.pkl`, Model{"model.pkl", 1, `C:\models\model.pkl`}, ""},
		"a long name is cut":         {"./" + strings.Repeat("a", 40) + ".pkl", Model{strings.Repeat("a", 30), 1, "./" + strings.Repeat("a", 40) + ".pkl"}, ""},
		"a path with =":              {"./a=b/model.pkl", Model{"model.pkl", 1, "./a=b/model.pkl"}, ""},
		"a name":                     {"sentiment=model.pkl", Model{"sentiment", 1, "model.pkl"}, ""},
		"a name and a version":       {"sentiment:12=model.pkl", Model{"sentiment", 12, "model.pkl"}, ""},
		"a path with = after a name": {"s:2=a=b.pkl", Model{"s", 2, "a=b.pkl"}, ""},
		"nothing":                    {"", Model{}, "is empty: write NAME:VERSION, PATH or NAME:VERSION=PATH"},
		"a registered model":         {"sentiment:3", Model{"sentiment", 3, ""}, ""},
		"the highest version":        {"model.pkl", Model{"model.pkl", 0, ""}, ""},
		"a file here":                {"here.pkl", Model{"here.pkl", 1, "here.pkl"}, ""},
		"version 0 of a registered model": {"s:0", Model{},
			`has the version "0": write a whole number from 1, such as s:1`},
		"a version of a registered model too large": {"s:99999999999", Model{},
			`has the version "99999999999": write a whole number from 1, such as s:1`},
		"an artifact":             {"oci://host.io/team/bert:v2", Model{"bert", 0, "oci://host.io/team/bert:v2"}, ""},
		"an artifact with a name": {"b:3=oci://host.io/team/bert:v2", Model{"b", 3, "oci://host.io/team/bert:v2"}, ""},
		"an artifact without a tag": {"oci://host.io/bert", Model{},
			"is no artifact: write oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:DIGEST, in lower case"},
		"a named artifact without a tag": {"b=oci://host.io/bert", Model{},
			"is no artifact: write oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:DIGEST, in lower case"},
		"a URL":                 {"https://x/y", Model{}, "is a URL: download it and write NAME:VERSION=PATH"},
		"a name without a path": {"sentiment:3=", Model{}, "has no path: write sentiment:3=PATH"},
		"version 0": {"s:0=m.pkl", Model{},
			`has the version "0": write a whole number from 1, such as s:1=m.pkl`},
		"a version in words": {"s:v2=m.pkl", Model{},
			`has the version "v2": write a whole number from 1, such as s:1=m.pkl`},
		"a version too large": {"s:2147483648=m.pkl", Model{},
			`has the version "2147483648": write a whole number from 1, such as s:1=m.pkl`},
		"an empty name": {"=m.pkl", Model{}, `has the name "": write NAME:VERSION=PATH, ` +
			"the name in up to 255 letters, digits, -, . and _, not beginning with a sign"},
		"a name with a space": {"my model=m.pkl", Model{}, `has the name "my model": write NAME:VERSION=PATH, ` +
			"the name in up to 255 letters, digits, -, . and _, not beginning with a sign"},
		"a file with a space": {"my model.pkl", Model{},
			"gives no name: write NAME=my model.pkl, the name in letters, digits, -, . and _"},
		"the working directory": {".", Model{}, "gives no name: write NAME=., the name in letters, digits, -, . and _"},
		"a hidden file":         {".pkl", Model{}, "gives no name: write NAME=.pkl, the name in letters, digits, -, . and _"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseModel(c.text, here)
			if c.err == "" {
				equal(t, "error", err, nil)
			} else {
				equal(t, "error", err, c.err)
			}
			equal(t, "model", got, c.want)
		})
	}
}

func TestModelNameRule(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{
		"m": true, "1": true, "My.model_2-b": true, strings.Repeat("a", 255): true,
		"": false, "-m": false, ".m": false, "_m": false, "m/n": false, "m n": false, "ä": false, "m\n": false,
		strings.Repeat("a", 256): false,
	} {
		if _, err := ParseModel(name+"=m.pkl", func(string) bool { return true }); (err == nil) != taken {
			t.Errorf("%q: %v, want it taken: %t", name, err, taken)
		}
	}
}

func TestModelDir(t *testing.T) {
	t.Parallel()
	one, two := Model{"a", 1, "x"}, Model{"a", 2, "y"}
	equal(t, "no model", modelDir(nil), "")
	equal(t, "one model", modelDir([]Model{two}), "/var/azureml-app/azureml-models/a/2")
	equal(t, "two versions of a model", modelDir([]Model{one, two}), "/var/azureml-app/azureml-models")
}

func FuzzParseModel(f *testing.F) {
	for _, seed := range []string{"model.pkl", "a:1=b", "a=b", "a:1", "=", ":", "a:=", "./a=b", "a/../..", "é.pkl", "\x00",
		"oci://h.io/a:1", "a=oci://h.io/b:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseModel(text, here)
		if err != nil {
			if m != (Model{}) || strings.TrimSpace(err.Error()) == "" {
				t.Errorf("%q: %v with %v", text, m, err)
			}
			return
		}
		if m.Path == "" { // a registered model
			if again, err := ParseReference(m.String()); err != nil || again != m || !strings.HasPrefix(text, m.Name) {
				t.Errorf("%q gives %+v, but written in full %+v, %v", text, m, again, err)
			}
			return
		}
		_, artifact := m.Artifact()
		if artifact && m.Version == 0 { // nobody named it
			if m.Path != text {
				t.Errorf("%q gives %+v", text, m)
			}
			return
		}
		if !modelName.MatchString(m.Name) || m.Version < 1 || !strings.HasSuffix(text, m.Path) {
			t.Errorf("%q gives %+v", text, m)
		}
		if again, err := ParseModel(m.String()+"="+m.Path, here); err != nil || again != m {
			t.Errorf("%q gives %+v, but written in full %+v, %v", text, m, again, err)
		}
	})
}
