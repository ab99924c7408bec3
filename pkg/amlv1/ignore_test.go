// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// pathspec holds what the library did that Azure ML used; see its comment.
type pathspec struct {
	Paths []string `json:"paths"`
	Cases []struct {
		Patterns string `json:"patterns"`
		Refused  bool   `json:"refused"`
		LeftOut  []int  `json:"left_out"`
	} `json:"cases"`
}

func TestIgnoreDoesWhatPathspecDid(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/pathspec.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors pathspec
	if err := json.Unmarshal(src, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		ignore, err := ParseIgnore([]byte(c.Patterns))
		if (err != nil) != c.Refused {
			t.Errorf("%q: error %v, want one: %t", c.Patterns, err, c.Refused)
			continue
		}
		for i, path := range vectors.Paths {
			if got, want := ignore.Match(path), slices.Contains(c.LeftOut, i); !c.Refused && got != want {
				t.Errorf("%q: %q left out: %t, want %t", c.Patterns, path, got, want)
			}
		}
	}
}

func TestReadIgnore(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		files map[string]string
		name  string
		// out and in are files that are left out, and that are not.
		out, in string
	}{
		"without a file the caches are left out": {nil, "",
			".git/HEAD __pycache__/a.pyc src/__pycache__/a.pyc .azureml/config.json", ".gitignore outputs/x docs/a.md"},
		"an .amlignore counts": {map[string]string{".amlignore": "*.csv"}, ".amlignore",
			"a.csv data/a.csv .git/HEAD", "a.py .amlignore"},
		"an .amlignore hides the .gitignore": {map[string]string{".amlignore": "", ".gitignore": "*.csv"}, ".amlignore",
			".git/HEAD", "a.csv"},
		"a .gitignore counts otherwise":  {map[string]string{".gitignore": "*.csv"}, ".gitignore", "a.csv", "a.py"},
		"one in a folder does not count": {map[string]string{"data/.amlignore": "*.csv"}, "", "", "a.csv data/a.csv"},
		"a file can bring the caches back": {map[string]string{".amlignore": "!.azureml/"}, ".amlignore",
			".git/HEAD", ".azureml/config.json"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := fstest.MapFS{}
			for file, text := range c.files {
				folder[file] = &fstest.MapFile{Data: []byte(text)}
			}
			ignore, err := ReadIgnore(folder)
			if err != nil || ignore.Name != c.name {
				t.Fatalf("read %q, %v; want %q", ignore.Name, err, c.name)
			}
			for _, path := range strings.Fields(c.out) {
				if !ignore.Match(path) {
					t.Errorf("%s is not left out", path)
				}
			}
			for _, path := range strings.Fields(c.in) {
				if ignore.Match(path) {
					t.Errorf("%s is left out", path)
				}
			}
		})
	}
}

func TestReadIgnoreNamesTheLineThatIsNoPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"\\":    `.amlignore:2: "\\" is not a pattern: write a character after the last "\"`,
		"!":     `.amlignore:2: "!" is not a pattern: write the pattern after "!"`,
		"[z-a]": `.amlignore:2: "[z-a]" is not a pattern: write the brackets as in [a-z]`,
	} {
		_, err := ReadIgnore(fstest.MapFS{".amlignore": {Data: []byte("a\n" + pattern + "\n")}})
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestIgnoreMatchAll(t *testing.T) {
	t.Parallel()
	for patterns, want := range map[string]bool{
		"": false, "a": true, "a/": true, "/a/": true, "**/a": true, "**": true, "**/": true, "a/**": true,
		"a/*.py": false, "a\n!b": false, ".*": false, "a/?": false, "a[!x]": false, "a/[!x]*": false, "b": false,
	} {
		ignore, err := ParseIgnore([]byte(patterns))
		if err != nil || ignore.MatchAll("a") != want {
			t.Errorf("%q: %t, %v; want %t", patterns, ignore.MatchAll("a"), err, want)
		}
	}
}

func FuzzParseIgnore(f *testing.F) {
	for _, seed := range []string{"a\n!b/", "**/a/**", "[a-z]\\", "[]!", "!", "//", "\r\n# x", "é[é]", "a/**/**/b"} {
		f.Add(seed, "a/b.py", "c")
	}
	f.Fuzz(func(t *testing.T, patterns, path, below string) {
		ignore, err := ParseIgnore([]byte(patterns))
		if err != nil {
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), " is not a pattern: write ") {
				t.Errorf("error %q", err)
			}
			return
		}
		if ignore.MatchAll(path) && !ignore.Match(path+"/"+below) {
			t.Errorf("%q: all below %q is left out, but not %q", patterns, path, below)
		}
	})
}
