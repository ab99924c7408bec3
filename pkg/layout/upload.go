// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// upload is a blob on its way into the layout, in a temporary file. Its digest is
// known as soon as the last byte is there. Only this process knows of it.
type upload struct {
	repo, id string
	file     *os.File
	sum      hash.Hash
	size     int64
}

// upload answers for uploads: with an empty id for a new one.
func (l *Layout) upload(r *http.Request, repo, id string) (answer, error) {
	if id == "" {
		if r.Method != http.MethodPost {
			return answer{}, notAllowed(r)
		}
		return l.begin(r, repo)
	}
	u, err := l.take(repo, id)
	if err != nil {
		return answer{}, err
	}
	switch r.Method {
	case http.MethodGet:
		l.give(u)
		return u.accepted(http.StatusNoContent), nil
	case http.MethodPatch:
		return l.more(r, u)
	case http.MethodPut:
		return l.finish(r, u)
	case http.MethodDelete:
		return answer{status: http.StatusNoContent}, l.failed("written", u.discard())
	}
	l.give(u)
	return answer{}, notAllowed(r)
}

// take gives one caller an upload; give lets the next one have it.
func (l *Layout) take(repo, id string) (*upload, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.uploads[id]
	if u == nil || u.repo != repo {
		return nil, refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no upload %s", id)
	}
	delete(l.uploads, id)
	return u, nil
}

func (l *Layout) give(u *upload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uploads[u.id] = u
}

// begin takes a blob over from another repository if it is there, or begins an
// upload, which may be the whole of it.
func (l *Layout) begin(r *http.Request, repo string) (answer, error) {
	query := r.URL.Query()
	if digest, err := v1.NewHash(query.Get("mount")); err == nil && l.has(digest) {
		return created(repo, digest), nil
	}
	if err := l.prepare(); err != nil {
		return answer{}, err
	}
	l.sweepTemporary(false)
	u := &upload{repo: repo, id: strings.ToLower(rand.Text()), sum: sha256.New()}
	var err error
	if u.file, err = os.CreateTemp(l.path(tempFolder), ""); err != nil {
		return answer{}, l.failed("written", err)
	}
	if query.Get("digest") != "" {
		return l.finish(r, u)
	}
	l.give(u)
	return u.accepted(http.StatusAccepted), nil
}

// more adds a chunk. Whatever breaks off in the middle is gone: what of it was
// written is not known to whoever sent it.
func (l *Layout) more(r *http.Request, u *upload) (answer, error) {
	if err := u.follows(r); err != nil {
		l.give(u)
		return answer{}, err
	}
	if err := l.receive(r, u); err != nil {
		return answer{}, errors.Join(err, u.discard())
	}
	l.give(u)
	return u.accepted(http.StatusAccepted), nil
}

// finish adds what is left and makes the file a blob, if it is what it should be.
func (l *Layout) finish(r *http.Request, u *upload) (answer, error) {
	digest, err := parseDigest(r.URL.Query().Get("digest"))
	if err == nil {
		err = u.follows(r)
	}
	if err != nil {
		l.give(u)
		return answer{}, err
	}
	if err := l.receive(r, u); err != nil {
		return answer{}, errors.Join(err, u.discard())
	}
	if now := hex.EncodeToString(u.sum.Sum(nil)); now != digest.Hex {
		return answer{}, errors.Join(refuse(http.StatusBadRequest, "DIGEST_INVALID", "what came has the digest sha256:%s",
			now), u.discard())
	}
	if l.has(digest) {
		return created(u.repo, digest), l.failed("written", u.discard())
	}
	if err := settle(u.file, l.blobPath(digest)); err != nil {
		return answer{}, l.failed("written", errors.Join(err, u.discard()))
	}
	return created(u.repo, digest), nil
}

// follows refuses a chunk that does not begin where the last one ended.
func (u *upload) follows(r *http.Request) error {
	text := r.Header.Get("Content-Range")
	if text == "" {
		return nil
	}
	first, _, _ := strings.Cut(text, "-")
	if from, err := strconv.ParseInt(first, 10, 64); err != nil || from != u.size {
		return refuse(http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID",
			"the chunk is %s, and %d bytes came before it", text, u.size)
	}
	return nil
}

func (l *Layout) receive(r *http.Request, u *upload) error {
	if r.Body == nil {
		return nil
	}
	disk := &writer{file: u.file}
	n, err := io.Copy(io.MultiWriter(disk, u.sum), reader{r.Context(), r.Body})
	u.size += n
	if disk.err != nil {
		return l.failed("written", disk.err)
	}
	return err
}

// discard deletes the file.
func (u *upload) discard() error {
	_ = u.file.Close() // of no use any more
	err := os.Remove(u.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (u *upload) accepted(status int) answer {
	return answer{status: status, header: map[string]string{
		"Location": "/v2/" + u.repo + "/blobs/uploads/" + u.id, "Docker-Upload-UUID": u.id,
		"Range": fmt.Sprintf("0-%d", max(u.size-1, 0)),
	}}
}

func created(repo string, digest v1.Hash) answer {
	return answer{status: http.StatusCreated, header: map[string]string{
		"Location": "/v2/" + repo + "/blobs/" + digest.String(), "Docker-Content-Digest": digest.String()}}
}

// reader ends with its context.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// writer keeps errors of the disk apart from those of whoever sends.
type writer struct {
	file *os.File
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.err = err
	return n, err
}
