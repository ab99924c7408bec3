// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"context"
	"errors"
	"io"
)

// mostTries is how often a blob is read that breaks off.
const mostTries = 4

// steady reads a blob that may break off: it is opened again, and what was read
// already is passed over. A digest has to tell whether it is the same.
type steady struct {
	ctx   context.Context
	open  func() (io.ReadCloser, error)
	from  io.ReadCloser
	read  int64
	tries int
}

// Read returns the error of the last try.
func (s *steady) Read(p []byte) (int, error) {
	for {
		n, err := s.once(p)
		s.read += int64(n)
		if err == nil || err == io.EOF { //nolint:errorlint // one that is wrapped is not the end
			return n, err
		}
		s.close()
		if s.tries >= mostTries || s.ctx.Err() != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (s *steady) once(p []byte) (int, error) {
	if s.from == nil {
		s.tries++
		from, err := s.open()
		if err != nil {
			return 0, err
		}
		s.from = from
		if _, err := io.CopyN(io.Discard, from, s.read); err != nil {
			return 0, broken(err)
		}
	}
	return s.from.Read(p)
}

// broken is err, and never the end of the blob.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *steady) close() {
	if s.from != nil {
		_ = s.from.Close() // only read from
		s.from = nil
	}
}
