// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"syscall"
)

// FolderError says what is wrong with the folder of a layout, in one line.
type FolderError struct {
	Folder string
	// What is wrong.
	What string
	// Do is what to do next.
	Do string
	// Err is the error of the file system; nil for none.
	Err error
}

// Error leaves out what to do next: see Advice.
func (e *FolderError) Error() string { return fmt.Sprintf("image layout %s: %s", e.Folder, e.What) }

// Advice is what to do next.
func (e *FolderError) Advice() string { return e.Do }

// Unwrap gives the error of the file system.
func (e *FolderError) Unwrap() error { return e.Err }

// failed tells of what the file system refused: to be "read" or "written".
func (l *Layout) failed(done string, err error) error {
	var own *FolderError
	if err == nil || errors.As(err, &own) {
		return err
	}
	reason := err
	var file *fs.PathError
	var number syscall.Errno
	if errors.As(err, &file) {
		reason = file.Err
	} else if errors.As(err, &number) {
		reason = number
	}
	e := &FolderError{Folder: l.folder, What: fmt.Sprintf("it cannot be %s: %v", done, reason), Err: err,
		Do: "look at the folder, or name another one with AML_LAYOUT"}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Do = "make room on that disk, or name a folder on another one with AML_LAYOUT"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Do = "allow it, or name another folder with AML_LAYOUT"
	}
	return e
}

// broken tells of a file that is not what it should be.
func (l *Layout) broken(file string, err error) error {
	return &FolderError{Folder: l.folder, What: fmt.Sprintf("%s is broken: %v", file, err), Err: err,
		Do: "mend the file, or move the folder away to begin with an empty one"}
}

// refusal is an answer that a registry gives by its specification.
type refusal struct {
	status        int
	code, message string
}

// Error is only seen if a refusal is not answered.
func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

func noManifest(repo, ref string) error {
	return refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "%s has no manifest %s", repo, ref)
}

func noBlob(digest string) error {
	return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "there is no blob %s", digest)
}
