// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// entry is one file, folder or link of a layer.
type entry struct {
	// name in the container, without the leading slash.
	name string
	// source is the path on this machine; empty for a folder.
	source string
	// info is what the file was when it was found; nil for a folder.
	info fs.FileInfo
	// link is where a symbolic link leads, relative to its folder.
	link string
}

// tree collects entries and the folders they are in.
type tree struct {
	entries map[string]entry
	// links are the links' targets, as names in the container.
	links map[string]string

	ignore  amlv1.Ignore
	ignored int
	errs    []error
}

func newTree() *tree {
	return &tree{entries: map[string]entry{}, links: map[string]string{}}
}

// put adds an entry and the folders above it, unless they are there.
func (t *tree) put(e entry) {
	t.entries[e.name] = e
	t.folders(path.Dir(e.name))
}

func (t *tree) folders(name string) {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := t.entries[name]; ok {
			return
		}
		t.entries[name] = entry{name: name}
	}
}

// sorted returns the entries by name, so that a folder comes before what is in it.
func (t *tree) sorted() ([]entry, error) {
	if len(t.errs) > 0 {
		return nil, errors.Join(t.errs...)
	}
	out := make([]entry, 0, len(t.entries))
	for _, e := range t.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

// modelEntries are the file or folder of a model. The path may be a symbolic
// link; it is stored under the name that was given.
func modelEntries(m Model) ([]entry, error) {
	full, err := filepath.Abs(m.Path)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", m, err)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("model %s: %s does not exist: write the path of a file or folder", m, m.Path)
	case err != nil:
		return nil, fmt.Errorf("model %s: %s cannot be read: %w", m, m.Path, reason(err))
	}
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return nil, fmt.Errorf("model %s: %s cannot be read: %w", m, m.Path, reason(err))
	}
	target := path.Join(strings.TrimPrefix(m.folder(), "/"), filepath.Base(full))
	t := newTree()
	if info.IsDir() {
		t.folders(target)
		t.walk(real, target)
	} else {
		t.file(real, target, info)
	}
	return t.sorted()
}

// code is what the code layer holds.
type code struct {
	entries    []entry
	ignoreFile string
	ignored    int
}

// codeEntries are the source directory, less what its ignore file keeps out,
// or the entry script alone.
func codeEntries(c amlv1.Code) (code, error) {
	root := strings.TrimPrefix(AppRoot, "/")
	t := newTree()
	if c.Directory == "" && c.Script == "" {
		return code{}, nil
	}
	if c.Directory == "" {
		info, err := os.Stat(c.Script)
		if err != nil {
			return code{}, fmt.Errorf("entry script %s cannot be read: %w", c.Script, reason(err))
		}
		t.file(c.Script, path.Join(root, c.EntryScript), info)
		entries, err := t.sorted()
		return code{entries: entries}, err
	}
	ignore, err := amlv1.ReadIgnore(os.DirFS(c.Directory))
	if err != nil {
		return code{}, fmt.Errorf("%s: %w", c.Directory, err)
	}
	t.ignore = ignore
	t.folders(path.Join(root, c.SourceDirectory))
	t.walk(c.Directory, path.Join(root, c.SourceDirectory))
	script := path.Join(root, c.EntryScript)
	if _, ok := t.entries[script]; !ok && len(t.errs) == 0 {
		t.errs = append(t.errs, fmt.Errorf("entry script %s is left out by %s: add a line !%s to it",
			c.Script, ignore.Name, strings.TrimPrefix(c.EntryScript, c.SourceDirectory+"/")))
	}
	entries, err := t.sorted()
	return code{entries: entries, ignoreFile: ignore.Name, ignored: t.ignored}, err
}

// walk adds everything below a folder, which must be free of links itself. What is
// looked at stays in it, also while somebody moves things around.
func (t *tree) walk(folder, target string) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("%s cannot be read: %w", shown(folder), reason(err)))
		return
	}
	defer func() { _ = root.Close() }() // only read from
	t.list(root, "", target)
	for link, target := range t.links {
		if _, ok := t.entries[target]; !ok && len(t.errs) == 0 {
			t.errs = append(t.errs, fmt.Errorf("link %s leads to a file that %s leaves out: leave both out, or none",
				shown(t.entries[link].source), t.ignore.Name))
		}
	}
}

// list adds what is in a folder below root.
func (t *tree) list(root *os.Root, below, target string) {
	full := filepath.Join(root.Name(), below)
	var entries []fs.DirEntry
	dir, err := root.OpenFile(filepath.Join(".", below), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		entries, err = dir.ReadDir(-1)
		_ = dir.Close() // only read from
	}
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("%s cannot be read: %w", shown(full), reason(err)))
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, d := range entries {
		if t.found(root.Name(), path.Join(filepath.ToSlash(below), d.Name()), target, d) {
			t.list(root, filepath.Join(below, d.Name()), target)
		}
	}
}

// found adds what was found at a place below folder, and tells whether it is a
// folder to look into.
func (t *tree) found(folder, relative, target string, d fs.DirEntry) bool {
	name, full := path.Join(target, relative), filepath.Join(folder, relative)
	if d.IsDir() {
		if t.ignore.MatchAll(relative) {
			t.ignored++
			return false
		}
		if !t.ignore.Match(relative + "/") {
			t.folders(name)
		}
		return true
	}
	if t.ignore.Match(relative) {
		t.ignored++
		return false
	}
	if d.Type()&fs.ModeSymlink != 0 {
		t.symlink(folder, full, name, target)
		return false
	}
	info, err := d.Info()
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("%s cannot be read: %w", shown(full), reason(err)))
		return false
	}
	t.file(full, name, info)
	return false
}

func (t *tree) file(full, name string, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		t.errs = append(t.errs, fmt.Errorf("%s is a %s: remove it, or leave it out with .amlignore",
			shown(full), kindOf(info.Mode())))
		return
	}
	t.put(entry{name: name, source: full, info: info})
}

// symlink adds a link that stays in its folder. No path of this machine gets
// into the image: the link is written relative to where it is.
func (t *tree) symlink(folder, full, name, target string) {
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("link %s leads to nothing: remove it, or leave it out with .amlignore",
			shown(full)))
		return
	}
	aim, ok := below(folder, real)
	if !ok {
		t.errs = append(t.errs, fmt.Errorf("link %s leads out of %s, to %s: put the file itself there",
			shown(full), shown(folder), shown(real)))
		return
	}
	if real == full { // no link any more
		t.errs = append(t.errs, &ChangedError{Path: full})
		return
	}
	// What was walked is free of links: a folder that is one by now would give another.
	link, err := filepath.Rel(filepath.Dir(full), real)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("link %s cannot be written relative to its folder: %w", shown(full), err))
		return
	}
	t.put(entry{name: name, source: full, link: filepath.ToSlash(link)})
	t.links[name] = path.Join(target, aim)
}

// below returns full relative to folder, with slashes; false when it is not in it.
func below(folder, full string) (string, bool) {
	relative, err := filepath.Rel(folder, full)
	relative = filepath.ToSlash(relative)
	return relative, err == nil && relative != ".." && !strings.HasPrefix(relative, "../")
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	default:
		return "special file"
	}
}

// shown is a path as a line of text can hold it: one with a line break, or with
// signs that move the cursor, is quoted.
func shown(file string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.ValidString(file) && strings.IndexFunc(file, odd) < 0 {
		return file
	}
	return strconv.Quote(file)
}

// reason takes the path off an error of the file system; messages name it.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
