// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"strings"
	"testing"
)

func TestParseRequirement(t *testing.T) {
	t.Parallel()
	const local = "is a file of yours, which is not there where the image is built: write NAME==VERSION or its URL"
	const none = "is no package as pip reads it: write NAME==VERSION"
	cases := map[string]struct{ line, want, wrong string }{
		"nothing":                     {"  ", "", ""},
		"a comment":                   {"# all of it", "", ""},
		"a name":                      {"Scikit_Learn", "scikit-learn", ""},
		"spaces":                      {" Scikit_Learn >= 1.0 , < 2 # why ", "scikit-learn<2,>=1.0", ""},
		"brackets":                    {"numpy (>=1.0, <2)", "numpy<2,>=1.0", ""},
		"extras":                      {"a.b[ Y_z,x , x]==1.*", "a-b[x,y-z]==1.*", ""},
		"no extra":                    {"a[]==1", "a==1", ""},
		"an extra that is none":       {"a[-]", "", "has no name of an extra in its brackets: write NAME[EXTRA]==VERSION"},
		"an arbitrary version":        {"a===1.0-Odd", "a===1.0-odd", ""},
		"a marker":                    {`a ; (python_version<'3.9')and os_name!="nt"`, `a; ( python_version < "3.9" ) and os_name != "nt"`, ""},
		"a marker with quotes":        {`a; x == 'say "y"'`, `a; x == 'say "y"'`, ""},
		"no marker":                   {"a;", "", `has no marker after its ";": write one such as NAME ; python_version < "3.12"`},
		"a marker that runs":          {"a; rm `x`", "", `has no marker after its ";": write one such as NAME ; python_version < "3.12"`},
		"a URL":                       {"git+https://example.test/X.git@Main#egg=X", "git+https://example.test/X.git@Main#egg=X", ""},
		"a name at a URL":             {"My_Own@https://example.test/X.whl", "my-own @ https://example.test/X.whl", ""},
		"a URL with a marker":         {"x @ https://example.test/X.whl ; os_name=='nt'", `x @ https://example.test/X.whl ; os_name == "nt"`, ""},
		"a URL with something":        {"x @ https://example.test/X.whl y", "", "has something after its URL: write NAME @ URL ; MARKER"},
		"at nothing":                  {"x @ y", "", "has no URL after its @: write NAME @ https://…"},
		"a file of the image":         {"/wheels/x.whl", "/wheels/x.whl", ""},
		"a file":                      {"x.whl", "", local},
		"a file in a folder":          {"dist/x", "", local},
		"a folder":                    {".[all]", "", local},
		"conda's =":                   {"a=1", "", "has a single =, which is conda's: write NAME==VERSION"},
		"two words":                   {"a b", "", none},
		"two versions":                {"a>=1 <2", "", none},
		"no name":                     {"==1", "", none},
		"a line break":                {"a\nb", "", "holds a line break or another character that is none of a name: write one package in each text"},
		"a line break of Unicode":     {"a\u2028b", "", "holds a line break or another character that is none of a name: write one package in each text"},
		"too much":                    {strings.Repeat("a", tooLong+1), "", "is longer than 32 KiB: write less"},
		"hashes":                      {"a==1 --hash=sha256:BB --hash sha256:aa", "a==1 --hash=sha256:aa --hash=sha256:bb", ""},
		"settings":                    {"a==1 --config-settings=x=y --global-option z", "a==1 --config-settings=x=y --global-option=z", ""},
		"an option after a package":   {"a --pre=1", "", "has the option --pre after a package: write it as a text of its own, if it is pip's"},
		"an option without its value": {"a --hash", "", "has the option --hash without a value: write --hash=VALUE"},
		"an index":                    {"-i https://Example.test/S", "--index-url https://Example.test/S", ""},
		"an index at once":            {"-ihttps://example.test", "--index-url https://example.test", ""},
		"two options":                 {"--pre --extra-index-url=https://example.test", "--pre|--extra-index-url https://example.test", ""},
		"editable":                    {"-e git+https://example.test/x#egg=x", "--editable git+https://example.test/x#egg=x", ""},
		"one's own, editable":         {"-e .", "", "names ., which is not there where the image is built: write its packages here, or its URL"},
		"a list of one's own":         {"--requirement=more.txt", "", "names more.txt, which is not there where the image is built: write its packages here, or its URL"},
		"constraints of the image":    {"-c /etc/constraints.txt", "--constraint /etc/constraints.txt", ""},
		"no value":                    {"-r", "", "has the option --requirement without a value: write --requirement VALUE"},
		"a value too many":            {"--pre=yes", "", "has a value for the option --pre, which has none: remove it"},
		"no option":                   {"--user", "", "has no option of pip's that says what to install, --user: remove it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, wrong := parseRequirement(c.line)
			var texts []string
			for _, r := range found {
				texts = append(texts, r.text)
			}
			if wrong != c.wrong || wrong == "" && strings.Join(texts, "|") != c.want {
				t.Errorf("%q is %q, %q", c.line, texts, wrong)
			}
		})
	}
}

func TestParseConda(t *testing.T) {
	t.Parallel()
	const none = "is no package as conda reads it: write NAME=VERSION"
	const pips = `is pip's, and not conda's: write it below "pip"`
	cases := map[string]struct{ text, want, wrong string }{
		"a name":                     {" NumPy ", "numpy", ""},
		"a version":                  {"Python = 3.8", "python=3.8", ""},
		"a space before it":          {"numpy =1.2", "numpy=1.2", ""},
		"all that begin so":          {"numpy 1.2.*", "numpy=1.2", ""},
		"all that begin so, twice":   {"numpy=1.2.*", "numpy=1.2", ""},
		"a glob":                     {"numpy 1.2*", "numpy 1.2*", ""},
		"any version":                {"numpy *", "numpy *", ""},
		"that version alone":         {"numpy == 1.2", "numpy==1.2", ""},
		"no operator":                {"numpy 1.2", "numpy==1.2", ""},
		"the case of a version":      {"numpy==1.3RC1", "numpy==1.3rc1", ""},
		"bounds":                     {"python <3.9 , >=3.8", "python>=3.8,<3.9", ""},
		"bounds, one of them twice":  {"python<3.9,>=3.8,<3.9", "python>=3.8,<3.9", ""},
		"bounds and an or":           {"python >=3.8 , <3.9|3.11", "python>=3.8,<3.9|3.11", ""},
		"an or":                      {"python 3.8|3.9.*", "python 3.8|3.9.*", ""},
		"what goes with a version":   {"a ~= 1.2", "a~=1.2", ""},
		"an epoch":                   {"a=1!2.0+local", "a=1!2.0+local", ""},
		"a space":                    {"python  3.8  h1_0", "python==3.8=h1_0", ""},
		"a build":                    {"Python=3.8=h1_A", "python==3.8=h1_A", ""},
		"a build of some versions":   {"python=3.8.*=h1_A", "python=3.8.*=h1_A", ""},
		"a build alone":              {"blas=*=openblas", "blas=*=openblas", ""},
		"some builds":                {"pytorch >=2.1,<2.3 *cuda*", "pytorch>=2.1,<2.3 *cuda*", ""},
		"a channel":                  {"Conda-Forge::Python=3.8", "Conda-Forge::python=3.8", ""},
		"a channel and a space":      {"conda-forge :: numpy 1.2.*", "conda-forge::numpy=1.2", ""},
		"a folder of a channel":      {"conda-forge/linux-64::NumPy", "conda-forge/linux-64::numpy", ""},
		"the URL of a channel":       {"https://Example.test/Mine::NumPy = 1.2", "https://Example.test/Mine::numpy=1.2", ""},
		"in brackets":                {"Python[version='>=3,<4', build=\"a,b\"]", "python[version='>=3,<4', build=\"a,b\"]", ""},
		"a version and brackets":     {"numpy >= 1.2 [build_number=0]", "numpy>=1.2[build_number=0]", ""},
		"a channel in brackets":      {"a[channel=x::y]", "a[channel=x::y]", ""},
		"a URL in brackets":          {"a[url='https://u@example.test/a-1-0.conda']", "a[url='https://u@example.test/a-1-0.conda']", ""},
		"a URL":                      {"https://example.test/X.conda", "https://example.test/X.conda", ""},
		"a URL with its sum":         {"https://example.test/X.tar.bz2#0a1b", "https://example.test/X.tar.bz2#0a1b", ""},
		"a file of the image":        {"file:///srv/x-1-0.tar.bz2", "file:///srv/x-1-0.tar.bz2", ""},
		"nothing":                    {" ", "", none},
		"a command":                  {"$(id)", "", none},
		"a line break":               {"a\nb", "", "holds a line break or another character that is none of a name: write one package in each text"},
		"a name in quotes":           {"'a'", "", none},
		"no version":                 {"a=", "", none},
		"three ===":                  {"a===1", "", none},
		"bounds without a comma":     {"a >=1 <2", "", none},
		"no comma before !=":         {"a >=1 !=2", "", none},
		"a bound at the end":         {"a>=1,", "", none},
		"too many words":             {"a 1 b c", "", none},
		"no end of the brackets":     {"a[version='1'", "", none},
		"no end of quotes":           {"a[version='1]", "", none},
		"nothing in the brackets":    {"a[]", "", none},
		"no key of conda's":          {"a[versions=1]", "", none},
		"no channel":                 {"::a", "", "has no name of a channel before its ::, write CHANNEL::NAME=VERSION"},
		"a channel of two words":     {"a b::c", "", "has no name of a channel before its ::, write CHANNEL::NAME=VERSION"},
		"an extra of pip":            {"uvicorn[standard]", "", pips},
		"an extra with a version":    {"uvicorn[standard]==0.20", "", pips},
		"a marker of pip":            {"a; python_version<'3.9'", "", pips},
		"a name at a URL":            {"a @ https://example.test/a.whl", "", pips},
		"an extra at a URL":          {"a[x] @ https://example.test/a.whl", "", pips},
		"an extra with a marker":     {"a[x]>=1; python_version<'3.9'", "", pips},
		"a URL of pip":               {"git+https://example.test/a.git", "", pips},
		"a wheel":                    {"https://example.test/a-1-py3-none-any.whl", "", pips},
		"an option of pip":           {"-r requirements.txt", "", pips},
		"a package that runs things": {"x=1;id", "", pips},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text, wrong := parseConda(c.text); wrong != c.wrong || text != c.want {
				t.Errorf("%q is %q, %q", c.text, text, wrong)
			}
		})
	}
}

func TestPipOnly(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		conda      string
		plain      bool
		wanted, is string
	}{
		"nothing":        {"", true, "3", ""},
		"a Python":       {"python", true, "3", ""},
		"a version":      {"python=3.11 pip", true, "3.11", "v[:2] == (3, 11,)"},
		"a whole one":    {"pip=23 python==3.8.13", true, "3.8.13", "v[:3] == (3, 8, 13,)"},
		"a star":         {"python=3.8.*", true, "3.8", "v[:2] == (3, 8,)"},
		"four numbers":   {"python=3.8.1.2", true, "3.8.1.2", "v[:3] == (3, 8, 1,)"},
		"bounds":         {"python>=3.8,<3.12", true, ">=3.8,<3.12", "v[:3] >= (3, 8,)|v[:3] < (3, 12,)"},
		"the other ones": {"python>3.8,<=3.12,!=3.9", true, ">3.8,<=3.12,!=3.9", "v[:2] > (3, 8,)|v[:2] <= (3, 12,)|v[:2] != (3, 9,)"},
		"a package":      {"python=3.11 numpy", false, "", ""},
		"a build":        {"python=3.8=h1", false, "", ""},
		"an or":          {"python=3.8|3.9", false, "", ""},
		"a channel":      {"x::python=3.8", false, "", ""},
		"a longer name":  {"python-x", false, "", ""},
		"a bound of old": {"python>=3.6", true, ">=3.6", "v[:3] >= (3, 6,)"},
		"an old one":     {"python=3.6.2", false, "", ""},
		"a very old one": {"python==2.7", false, "", ""},
		"only old ones":  {"python>=3.6,<3.8", false, "", ""},
		"up to an old":   {"python<=3.7", false, "", ""},
		"any of 3":       {"python=3", true, "3", "v[:1] == (3,)"},
		"a wide star":    {"python>=3.8.*", false, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			python, _, plain := pipOnly(strings.Fields(c.conda))
			var conditions []string
			for _, b := range python {
				conditions = append(conditions, b.python())
			}
			if plain != c.plain || plain && (wantedPython(python) != c.wanted || strings.Join(conditions, "|") != c.is) {
				t.Errorf("%q is %v, %q, %q", c.conda, plain, wantedPython(python), conditions)
			}
		})
	}
}

// FuzzParseRequirement holds that what was read once is read the same again, and
// that nothing gets out of its line.
func FuzzParseRequirement(f *testing.F) {
	for _, line := range []string{"a", "Scikit_Learn >= 1.0", `a[x,y]==1; python_version < "3"`, "a @ https://x/y ; os_name=='nt'",
		"--extra-index-url https://x", "-e git+https://x", "a==1 --hash=sha256:0", "a==1 --config-settings x=y", "# x", "/a.whl"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		found, wrong := parseRequirement(line)
		if wrong != "" {
			if strings.Contains(wrong, "\n") {
				t.Errorf("%q is told in two lines: %q", line, wrong)
			}
			return
		}
		for _, r := range found {
			again, wrong := parseRequirement(r.text)
			if wrong != "" || len(again) != 1 || again[0] != r {
				t.Errorf("%q is %+v, and that is %+v, %q", line, r, again, wrong)
			}
			if strings.ContainsAny(r.text, "\n\r\x00") {
				t.Errorf("%q has more than a line: %q", line, r.text)
			}
		}
	})
}

// FuzzParseConda holds that one spelling of a package stays as it is.
func FuzzParseConda(f *testing.F) {
	for _, text := range []string{"NumPy = 1.2", "a 1.2.*", "a >=1 , <2", "x/y::a 1.2 b_0", "a[version='>=1', build=b]", "a 1|2.*",
		"https://example.test/ch::a", "https://example.test/a-1-0.conda#00", "a>=1[build=x]", "a[extra]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, wrong := parseConda(s)
		if wrong != "" {
			if text != "" || strings.Contains(wrong, "\n") {
				t.Errorf("%q is told in two lines: %q", s, wrong)
			}
			return
		}
		if again, wrong := parseConda(text); wrong != "" || again != text {
			t.Errorf("%q is %q, and that is %q, %q", s, text, again, wrong)
		}
	})
}
