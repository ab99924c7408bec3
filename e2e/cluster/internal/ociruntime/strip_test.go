// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStrip(t *testing.T) {
	for name, test := range map[string]struct{ spec, want string }{
		"a_bundle": {
			`{"ociVersion":"1.0.2","process":{"args":["sh"],"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]}}}`,
			`{"ociVersion":"1.0.2","process":{"args":["sh"],"capabilities":{"bounding":["CAP_CHOWN"],"effective":[]}}}`,
		},
		"a_process": {
			`{"args":["sh"],"capabilities":{"permitted":["CAP_SYS_RESOURCE","CAP_KILL"]}}`,
			`{"args":["sh"],"capabilities":{"permitted":["CAP_KILL"]}}`,
		},
		"no_capabilities":         {`{"process":{"args":["sh"]}}`, `{"process":{"args":["sh"]}}`},
		"numbers_keep_all_digits": {`{"linux":{"limit":9223372036854771712}}`, `{"linux":{"limit":9223372036854771712}}`},
		"an_argument_stays":       {`{"args":["CAP_SYS_RESOURCE"]}`, `{"args":["CAP_SYS_RESOURCE"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := strip([]byte(test.spec))
			if err != nil || string(got) != test.want {
				t.Fatalf("strip = %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
	if _, err := strip([]byte("{")); err == nil {
		t.Fatal("strip took what is no JSON")
	}
}

func TestSpecFile(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"create":          {[]string{"--root", "/run/r", "create", "--bundle", "/b", "--pid-file", "/p", "id"}, "/b/config.json"},
		"run":             {[]string{"run", "--bundle=/b", "id"}, "/b/config.json"},
		"run_short":       {[]string{"run", "-b", "/b", "id"}, "/b/config.json"},
		"run_here":        {[]string{"run", "id"}, "config.json"},
		"exec":            {[]string{"--log", "/l", "exec", "--process", "/p.json", "--detach", "id"}, "/p.json"},
		"exec_of_a_shell": {[]string{"exec", "id", "sh"}, ""},
		"another_command": {[]string{"--root", "/run/r", "delete", "--force", "id"}, ""},
		"nothing":         {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := specFile(test.args); got != test.want {
				t.Fatalf("specFile(%q) = %q, want %q", test.args, got, test.want)
			}
		})
	}
}

func TestRewriteKeepsTheFilesMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != `{"process":{"capabilities":{"bounding":[]}}}` {
		t.Fatalf("after rewrite: %s, %v", content, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode after rewrite: %v, %v", info.Mode(), err)
	}
}
