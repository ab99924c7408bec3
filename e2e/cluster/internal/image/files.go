// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package image puts container images together from files, without a
// container engine, so that equal files give an equal digest.
package image

import (
	"archive/tar"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Files is a layer: what stands at each path, the paths without a leading slash.
type Files map[string]File

// File is a file, a folder or a symbolic link of a layer.
type File struct {
	Mode fs.FileMode // type and permission bits
	UID  int
	GID  int
	Data []byte // a regular file's content, unless From names a file that has it
	From string
	Link string // a symbolic link's target
	// Capabilities are those that running the file gives, as bits; Unpack leaves
	// them out.
	Capabilities uint32
}

// Dir is a folder with these permissions.
func Dir(perm fs.FileMode) File {
	return File{Mode: fs.ModeDir | perm}
}

// Text is a plain file with this content.
func Text(content string) File {
	return File{Mode: 0o644, Data: []byte(content)}
}

// Program is an executable file with the content of the file named.
func Program(from string) File {
	return File{Mode: 0o755, From: from}
}

// Link is a symbolic link.
func Link(target string) File {
	return File{Mode: fs.ModeSymlink | 0o777, Link: target}
}

// Add puts other's files over the ones of f.
func (f Files) Add(other Files) Files {
	maps.Copy(f, other)
	return f
}

// Tree is everything below root but what skip refuses; skip is asked with the
// path below root, and a folder it refuses is left out with all it holds.
// Devices and sockets are left out.
func Tree(root string, skip func(path string) bool) (Files, error) {
	files := Files{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || rel == "." {
			return err
		}
		if skip != nil && skip(rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		file, ok, err := stat(name)
		if ok {
			files[rel] = file
		}
		return err
	})
	return files, err
}

// stat is the File for a path of this machine; false where it is no file,
// folder or link.
func stat(name string) (File, bool, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return File{}, false, err
	}
	file := File{Mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		file.UID, file.GID = int(sys.Uid), int(sys.Gid)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
	case fs.ModeSymlink:
		file.Link, err = os.Readlink(name)
	case 0:
		file.From = name
	default:
		return File{}, false, nil
	}
	return file, err == nil, err
}

// Stat is the File for a path of this machine, and refuses devices and sockets.
func Stat(name string) (File, error) {
	file, ok, err := stat(name)
	if err == nil && !ok {
		err = fmt.Errorf("%s: not a file, a folder or a link", name)
	}
	return file, err
}

// WriteLayer writes the files as a layer: sorted, without times, the folders
// above each file added, so that only content makes a difference.
func (f Files) WriteLayer(w io.Writer) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	all := f.withParents()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := writeEntry(archive, name, all[name]); err != nil {
			return fmt.Errorf("layer entry %s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return packed.Close()
}

func (f Files) withParents() Files {
	all := maps.Clone(f)
	for name := range f {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := all[dir]; ok {
				break
			}
			all[dir] = Dir(0o755)
		}
	}
	return all
}

func writeEntry(archive *tar.Writer, name string, file File) error {
	header := &tar.Header{
		Name: name, Uid: file.UID, Gid: file.GID, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		Mode: int64(file.Mode.Perm()) | specialBits(file.Mode),
	}
	if file.Capabilities != 0 {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": fileCapabilities(file.Capabilities)}
	}
	switch file.Mode.Type() {
	case fs.ModeDir:
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		return archive.WriteHeader(header)
	case fs.ModeSymlink:
		header.Typeflag, header.Linkname = tar.TypeSymlink, file.Link
		return archive.WriteHeader(header)
	}
	header.Typeflag = tar.TypeReg
	if file.From == "" {
		header.Size = int64(len(file.Data))
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(file.Data)
		return err
	}
	return writeFrom(archive, header, file.From)
}

func writeFrom(archive *tar.Writer, header *tar.Header, from string) error {
	content, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	info, err := content.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, content)
	return err
}

// fileCapabilities is the attribute of a program that gets these capabilities
// and may use them at once (version 2 of capabilities(7)).
func fileCapabilities(permitted uint32) string {
	const version2, effective = 0x02000000, 1
	var attribute []byte
	for _, word := range []uint32{version2 | effective, permitted, 0, 0, 0} {
		attribute = binary.LittleEndian.AppendUint32(attribute, word)
	}
	return string(attribute)
}

// specialBits are the set-user, set-group and sticky bits as tar has them.
func specialBits(mode fs.FileMode) int64 {
	var bits int64
	for mask, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&mask != 0 {
			bits |= bit
		}
	}
	return bits
}

// Under tells whether name is dir or lies below it.
func Under(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

// Unpack writes the files below root, which it makes.
func (f Files) Unpack(root string) error {
	all := f.withParents()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := unpackEntry(filepath.Join(root, name), all[name]); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	return nil
}

func unpackEntry(to string, file File) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	switch file.Mode.Type() {
	case fs.ModeDir:
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	case fs.ModeSymlink:
		return os.Symlink(file.Link, to)
	default:
		data := file.Data
		if file.From != "" {
			var err error
			if data, err = os.ReadFile(file.From); err != nil {
				return err
			}
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			return err
		}
	}
	if err := os.Lchown(to, file.UID, file.GID); err != nil {
		return err
	}
	return os.Chmod(to, file.Mode)
}
