// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// signature is that of addresses of blobs.
const signature = "c2lnbmVkLWZvci10ZXN0cw"

// storage answers as Azure's blob storage does. No token may get here: addresses
// are signed.
func (s *Server) storage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.t.Errorf("a token was sent to storage with %s %s", r.Method, r.URL.Path)
	}
	if r.URL.Query().Get("sig") != signature {
		noBlob(w, http.StatusForbidden, "AuthenticationFailed")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/storage/")
	if id, found := strings.CutPrefix(path, "logs/"); found && r.Method == http.MethodGet {
		s.readLog(w, r, strings.TrimSuffix(id, "/rawtext.log"))
		return
	}
	if _, known := s.blobs[path]; !known || r.Method != http.MethodPut || r.Header.Get("X-Ms-Blob-Type") != "BlockBlob" {
		noBlob(w, http.StatusBadRequest, "InvalidHeaderValue")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	s.blobs[path] = body
	w.WriteHeader(http.StatusCreated)
}

func noBlob(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code></Error>`, code)
}

// readLog answers with what there is of an append blob.
func (s *Server) readLog(w http.ResponseWriter, r *http.Request, id string) {
	i := slices.IndexFunc(s.runs, func(r *run) bool { return r.id == id })
	if i < 0 || s.runs[i].status == "Queued" || s.runs[i].status == "Started" {
		noBlob(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	one := s.runs[i]
	text := strings.Join(one.Log, "\r\n") + "\r\n"
	if !one.ended() {
		text = text[:len(text)/2] // in the middle of a line
	} else {
		w.Header().Set("X-Ms-Meta-Complete", one.status)
	}
	var from int
	if _, err := fmt.Sscanf(r.Header.Get("X-Ms-Range"), "bytes=%d-", &from); err != nil {
		noBlob(w, http.StatusBadRequest, "InvalidHeaderValue")
		return
	}
	if from >= len(text) {
		noBlob(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		return
	}
	w.Header().Set("X-Ms-Blob-Type", "AppendBlob")
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(text)-1, len(text)))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = io.WriteString(w, text[from:]) // a client that is gone
}

// readSource is the Dockerfile in a context.
func readSource(packed []byte) (string, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("the source was not uploaded: %w", err)
	}
	files := tar.NewReader(zip)
	for {
		h, err := files.Next()
		if err != nil {
			return "", fmt.Errorf("the source has no Dockerfile: %w", err)
		}
		if h.Name == "Dockerfile" {
			text, err := io.ReadAll(files)
			return string(text), err
		}
	}
}

// readTask reads b.Task as acb does: values are filled in, then it is YAML.
func (b *Build) readTask() error {
	text := b.Task
	for name, value := range b.Values {
		text = strings.ReplaceAll(text, "{{.Values."+name+"}}", value)
	}
	var task struct {
		Steps []struct {
			Build        string   `json:"build"`
			Push         []string `json:"push"`
			Env          []string `json:"env"`
			VolumeMounts []struct {
				Name      string `json:"name"`
				MountPath string `json:"mountPath"`
			} `json:"volumeMounts"`
		} `json:"steps"`
		Volumes []struct {
			Name   string            `json:"name"`
			Secret map[string]string `json:"secret"`
		} `json:"volumes"`
	}
	if err := yaml.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	if len(task.Steps) != 2 || !slices.Contains(task.Steps[0].Env, "DOCKER_BUILDKIT=1") || len(task.Steps[1].Push) != 1 {
		return errors.New("the task does not build with BuildKit and push")
	}
	files := map[string]string{}
	for _, m := range task.Steps[0].VolumeMounts {
		for _, v := range task.Volumes {
			for name, value := range v.Secret {
				if plain, err := base64.StdEncoding.DecodeString(value); err == nil && v.Name == m.Name {
					files[m.MountPath+"/"+name] = string(plain)
				}
			}
		}
	}
	b.Image, b.Words, b.Secrets = task.Steps[1].Push[0], strings.Fields(task.Steps[0].Build), map[string]string{}
	return b.readWords(files)
}

// readWords reads the words of docker build.
func (b *Build) readWords(files map[string]string) error {
	tag := ""
	for i, word := range b.Words {
		switch platform, found := strings.CutPrefix(word, "--platform="); {
		case found:
			b.Platform = platform
		case word == "--tag" && i+1 < len(b.Words):
			tag = b.Words[i+1]
		case word == "--secret" && i+1 < len(b.Words):
			id, src, _ := strings.Cut(strings.TrimPrefix(b.Words[i+1], "id="), ",src=")
			text, found := files[src]
			if !found {
				return fmt.Errorf("secret %s: no such file %s", id, src)
			}
			b.Secrets[id] = text
		}
	}
	if tag != b.Image || b.Words[len(b.Words)-1] != "." {
		return fmt.Errorf("docker build %s makes no %s", strings.Join(b.Words, " "), b.Image)
	}
	return nil
}
