// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package debian

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMirror(t *testing.T) {
	for name, test := range map[string]struct {
		file, content, want string
	}{
		"one_line": {"sources.list", "# deb http://old/debian bookworm main\ndeb http://mirror.test/debian bookworm main\n",
			"http://mirror.test/debian"},
		"one_line_with_options": {"sources.list.d/a.list", "deb [arch=amd64 signed-by=/k] https://mirror.test/debian bookworm main # ours\n",
			"https://mirror.test/debian"},
		"paragraphs": {"sources.list.d/debian.sources", `Types: deb
URIs: http://other.test/security
Suites: bookworm-security
Components: main

# the main one
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm
 bookworm-updates
Components: main
`, "http://mirror.test/debian"},
		"disabled":     {"sources.list.d/debian.sources", "Enabled: no\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\n", ""},
		"sources_only": {"sources.list", "deb-src http://mirror.test/debian bookworm main\n", ""},
		"other_suite":  {"sources.list", "deb http://mirror.test/debian trixie main\n", ""},
		"backup":       {"sources.list.d/debian.sources.bak", "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			etc := t.TempDir()
			if err := os.MkdirAll(filepath.Join(etc, "sources.list.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(etc, test.file), []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := Mirror(etc, "bookworm")
			if got != test.want || (err == nil) != (test.want != "") {
				t.Fatalf("Mirror = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

const status = `Package: haproxy
Status: install ok installed
Pre-Depends: dpkg (>= 1.17)
Depends: libc6 (>= 2.36), adduser, libssl3 (>= 3.0), default-mta | mail-transport-agent, awk,
 libcrypt1:any

Package: libc6
Status: install ok installed
Depends: libgcc-s1

Package: libgcc-s1
Status: install ok installed
Depends: libc6

Package: libssl3
Status: install ok installed

Package: libcrypt1
Status: install ok installed

Package: mawk
Status: install ok installed
Provides: awk

Package: postfix
Status: install ok installed
Provides: mail-transport-agent (= 1)

Package: adduser
Status: install ok installed
Depends: passwd

Package: gone
Status: deinstall ok config-files
`

func TestClosure(t *testing.T) {
	needs := parseStatus(status)
	got, err := closure(needs, []string{"haproxy"}, []string{"adduser", "dpkg"})
	want := []string{"awk", "haproxy", "libc6", "libcrypt1", "libgcc-s1", "libssl3", "mail-transport-agent", "mawk", "postfix"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("closure = %v, %v\nwant %v", got, err, want)
	}
	if _, err := closure(needs, []string{"gone"}, nil); err == nil {
		t.Error("a package that was removed is taken")
	}
}

func TestRootFiles(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("var/lib/dpkg/status", status)
	write("var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libc.so.6\n/usr/share/doc/libc6/copyright\n/usr/gone\n")
	write("var/lib/dpkg/info/libc6-dev.list", "/usr/include/stdio.h\n")
	write("usr/lib/x86_64-linux-gnu/libc.so.6", "elf")
	write("usr/share/doc/libc6/copyright", "text")
	write("usr/include/stdio.h", "header")
	if err := os.Symlink("usr/lib", filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	files, err := Root(root).Files([]string{"libc6"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if files["lib"].Link != "usr/lib" {
		t.Errorf("lib = %+v, a link expected", files["lib"])
	}
	if _, ok := files["usr/lib/x86_64-linux-gnu/libc.so.6"]; !ok {
		t.Error("the library is not there, or not where lib points to")
	}
	for _, name := range []string{"usr/include/stdio.h", "usr/share/doc/libc6/copyright", "usr/gone", "lib/x86_64-linux-gnu/libc.so.6"} {
		if _, ok := files[name]; ok {
			t.Errorf("%s is there", name)
		}
	}
}
