// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// blobs answers for a blob, or for the upload of one.
func (l *Layout) blobs(r *http.Request, repo, rest string) (answer, error) {
	if id, ok := strings.CutPrefix(rest, "uploads"); ok {
		return l.upload(r, repo, strings.TrimPrefix(id, "/"))
	}
	digest, err := parseDigest(rest)
	if err != nil {
		return answer{}, err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return l.blob(r, digest)
	}
	// A blob goes with the last manifest that has it.
	return answer{}, notAllowed(r)
}

func parseDigest(text string) (v1.Hash, error) {
	digest, err := v1.NewHash(text)
	if err != nil || digest.Algorithm != "sha256" {
		return v1.Hash{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%q is no digest sha256:…", text)
	}
	return digest, nil
}

// blob answers with a blob or a range of it. Who asks whether it is there may
// count on it for a while.
func (l *Layout) blob(r *http.Request, digest v1.Hash) (answer, error) {
	f, size, err := l.open(digest)
	if err != nil {
		return answer{}, err
	}
	header := map[string]string{"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest.String(),
		"Accept-Ranges": "bytes", "Etag": `"` + digest.String() + `"`}
	if r.Method == http.MethodHead {
		l.touch(digest)
		return answer{http.StatusOK, header, f, size}, nil
	}
	from, to, err := byteRange(r.Header.Get("Range"), size)
	if err != nil {
		return answer{}, errors.Join(err, f.Close())
	}
	if from == 0 && to == size {
		return answer{http.StatusOK, header, f, size}, nil
	}
	header["Content-Range"] = fmt.Sprintf("bytes %d-%d/%d", from, to-1, size)
	part := struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, from, to-from), f}
	return answer{http.StatusPartialContent, header, part, to - from}, nil
}

// byteRange reads a Range header: one range. What is none, or several, is
// everything, as RFC 9110 allows. The end is behind the last byte.
func byteRange(text string, size int64) (from, to int64, err error) {
	first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if !ok || !strings.HasPrefix(text, "bytes=") || strings.Contains(last, ",") {
		return 0, size, nil
	}
	from, fromErr := strconv.ParseInt(first, 10, 64)
	to, toErr := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && toErr == nil && to > 0: // the last bytes
		from, to = max(size-to, 0), size
	case fromErr == nil && last == "":
		to = size
	case fromErr == nil && toErr == nil && to >= from:
		to = min(to+1, size)
	default:
		return 0, size, nil
	}
	if from >= size {
		return 0, 0, refuse(http.StatusRequestedRangeNotSatisfiable, "SIZE_INVALID", "the blob has %d bytes", size)
	}
	return from, to, nil
}

func (l *Layout) open(digest v1.Hash) (*os.File, int64, error) {
	f, err := os.Open(l.blobPath(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, noBlob(digest.String())
	}
	if err != nil {
		return nil, 0, l.failed("read", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, l.failed("read", errors.Join(err, f.Close()))
	}
	return f, info.Size(), nil
}

// touch keeps a blob for a while that nothing refers to yet. Where that is not
// allowed, nobody can delete it either.
func (l *Layout) touch(digest v1.Hash) {
	now := l.clock.Now()
	_ = os.Chtimes(l.blobPath(digest), now, now)
}

// has tells whether a blob is there, and keeps it for a while.
func (l *Layout) has(digest v1.Hash) bool {
	_, err := os.Stat(l.blobPath(digest))
	if err == nil {
		l.touch(digest)
	}
	return err == nil
}
