// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package sink is a registry that keeps manifests and small blobs, and forgets large blobs: what is pushed to it takes
// neither memory nor disk.
package sink

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

// kept is how large a blob may be to be kept.
const kept = 1 << 20

type sink struct {
	manifests http.Handler

	mutex sync.Mutex
	begun int
	// uploads are those that are under way, blobs those that have come: at most as much of them as is kept.
	uploads, blobs map[string][]byte
}

// New returns a registry.
func New() http.Handler {
	return &sink{manifests: registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		uploads: map[string][]byte{}, blobs: map[string][]byte{}}
}

// ServeHTTP answers as a registry does. An upload is one PATCH, which is how go-containerregistry sends a blob.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	digest := r.URL.Query().Get("digest")
	switch {
	case !strings.Contains(r.URL.Path, "/blobs/"):
		s.manifests.ServeHTTP(w, r)
	case r.Method == http.MethodPost:
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.begun++
		w.Header().Set("Location", path.Join(r.URL.Path, strconv.Itoa(s.begun)))
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPatch:
		s.take(w, r)
	case r.Method == http.MethodPut:
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.blobs[digest] = s.uploads[r.URL.Path]
		delete(s.uploads, r.URL.Path)
		w.WriteHeader(http.StatusCreated)
	default:
		s.give(w, r)
	}
}

func (s *sink) take(w http.ResponseWriter, r *http.Request) {
	var start bytes.Buffer
	_, err := io.CopyN(&start, r.Body, kept)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return // the connection is gone
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.uploads[r.URL.Path] = start.Bytes()
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusAccepted)
}

func (s *sink) give(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	blob, there := s.blobs[path.Base(r.URL.Path)]
	if !there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(blob) // whoever asked may have gone
	}
}
