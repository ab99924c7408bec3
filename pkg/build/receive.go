// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// receiver takes the archive of an OCI layout and unpacks it as it comes.
type receiver struct {
	*io.PipeWriter
	result chan error
}

// receive unpacks into a new folder.
func receive(folder string) *receiver {
	in, out := io.Pipe()
	r := &receiver{PipeWriter: out, result: make(chan error, 1)}
	go func() {
		err := unpack(in, folder)
		_ = in.CloseWithError(err) // whoever sends more is told
		r.result <- err
	}()
	return r
}

var errNothing = errors.New("the builder sent nothing")

// end tells why what came is not a whole layout; nil also if nothing came, as
// whoever sends then has an error of its own.
func (r *receiver) end() error {
	_ = r.CloseWithError(errNothing) // nothing, if it was closed before
	if err := <-r.result; !errors.Is(err, errNothing) {
		return err
	}
	return nil
}

// belongs is what a layout has in it. Nothing else is written.
var belongs = regexp.MustCompile(`^(?:oci-layout|index\.json|blobs/sha256/([0-9a-f]{64}))$`)

func unpack(in io.Reader, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o700); err != nil {
		return err
	}
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, in) // what fills the last block
			return err
		}
		if err != nil {
			return err
		}
		m := belongs.FindStringSubmatch(header.Name)
		if m == nil || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(archive, filepath.Join(folder, filepath.FromSlash(header.Name)), m[1]); err != nil {
			return err
		}
	}
}

// write refuses a blob that is not what its name says.
func write(content io.Reader, file, digest string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), content)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); digest != "" && got != digest {
		return fmt.Errorf("the builder sent other bytes than %s: they are %s", digest, got)
	}
	return nil
}
