// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package debian

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

// Root is a root file system made by Bootstrap.
type Root string

// Files are the files of the packages named and of all that they depend on,
// without the packages in without, whose files and dependencies stay out: those
// that only installing needs. Documentation stays out too.
func (r Root) Files(packages, without []string) (image.Files, error) {
	status, err := os.ReadFile(filepath.Join(string(r), "var/lib/dpkg/status"))
	if err != nil {
		return nil, fmt.Errorf("package list: %w", err)
	}
	names, err := closure(parseStatus(string(status)), packages, without)
	if err != nil {
		return nil, err
	}
	files := image.Files{}
	// What Debian links into /usr belongs to no package.
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		files[dir] = image.Link("usr/" + dir)
	}
	for _, pkg := range names {
		if err := r.addPackage(files, pkg); err != nil {
			return nil, fmt.Errorf("package %s: %w", pkg, err)
		}
	}
	return files, nil
}

func (r Root) addPackage(files image.Files, pkg string) error {
	lists, err := filepath.Glob(filepath.Join(string(r), "var/lib/dpkg/info", pkg+"*.list"))
	if err != nil {
		return err
	}
	lists = slices.DeleteFunc(lists, func(list string) bool {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(list), ".list"), ":")
		return name != pkg
	})
	for _, list := range lists {
		content, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		for name := range strings.Lines(string(content)) {
			if err := r.addFile(files, strings.Trim(name, "/\n")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r Root) addFile(files image.Files, name string) error {
	if name == "" || name == "." || Needless(name) {
		return nil
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, first) {
		name = "usr/" + first + "/" + rest
	} else if _, linked := files[name]; linked {
		return nil
	}
	file, err := image.Stat(filepath.Join(string(r), name))
	if os.IsNotExist(err) {
		return nil // a file that installing has moved, or that is diverted
	}
	files[name] = file
	return err
}

// Needless tells whether a path of a Debian root is of no use in an image:
// documentation, translations, package archives, logs, what every start makes.
func Needless(name string) bool {
	return slices.ContainsFunc([]string{
		"dev", "proc", "sys", "run", "tmp", "var/tmp", "var/log", "var/cache", "var/lib/apt", "debootstrap",
		"usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian",
		"etc/machine-id", "etc/resolv.conf", "etc/hostname", "etc/hosts",
	}, func(dir string) bool { return image.Under(name, dir) })
}

// parseStatus maps each package, and each name that a package provides, to the
// packages that it needs: alternatives are tried in their order.
func parseStatus(status string) map[string][][]string {
	needs := map[string][][]string{}
	for paragraph := range strings.SplitSeq(status, "\n\n") {
		fields := fieldsOf(paragraph)
		name := fields["package"]
		if name == "" || !strings.HasSuffix(fields["status"], " installed") {
			continue
		}
		needs[name] = append(relation(fields["pre-depends"]), relation(fields["depends"])...)
		for _, provided := range relation(fields["provides"]) {
			if _, ok := needs[provided[0]]; !ok {
				needs[provided[0]] = [][]string{{name}}
			}
		}
	}
	return needs
}

// relation reads "a (>= 1) | b, c:any" as {{a, b}, {c}}.
func relation(field string) [][]string {
	var all [][]string
	for clause := range strings.SplitSeq(field, ",") {
		var names []string
		for alternative := range strings.SplitSeq(clause, "|") {
			if words := strings.Fields(alternative); len(words) > 0 {
				name, _, _ := strings.Cut(words[0], ":")
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			all = append(all, names)
		}
	}
	return all
}

func closure(needs map[string][][]string, packages, without []string) ([]string, error) {
	seen := map[string]bool{}
	for _, name := range without {
		seen[name] = true
	}
	var names []string
	for todo := slices.Clone(packages); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		clauses, ok := needs[name]
		if !ok {
			return nil, fmt.Errorf("package %s is not installed", name)
		}
		names = append(names, name)
		for _, alternatives := range clauses {
			if i := slices.IndexFunc(alternatives, func(a string) bool { return seen[a] || hasKey(needs, a) }); i >= 0 {
				todo = append(todo, alternatives[i])
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func hasKey(needs map[string][][]string, name string) bool {
	_, ok := needs[name]
	return ok
}
