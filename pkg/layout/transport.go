// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
)

// transport answers for Host and passes everything else on.
type transport struct {
	layout *Layout
	next   http.RoundTripper
}

// Transport answers requests to Host out of the layout, as the OCI's distribution
// specification has it, and gives all others to next. What is wrong with the
// folder is an error, a *FolderError; all else is an answer. Memory does not grow
// with blobs, in either direction.
func (l *Layout) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{layout: l, next: next}
}

// RoundTrip carries out one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != Host {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }() // only read from
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	// Clients ask for TLS first. One that is answered then refuses a second page,
	// since names that end in .localhost have none.
	if r.URL.Scheme != "http" {
		return nil, errors.New("an image layout is spoken to in plain HTTP, which leaves this process nowhere")
	}
	a, err := t.layout.answer(r)
	var told *refusal
	if errors.As(err, &told) {
		a, err = told.answer()
	}
	if err != nil {
		return nil, err
	}
	return a.response(r), nil
}

// answer is what a registry answers.
type answer struct {
	status int
	header map[string]string
	// body may be nil. length is that of the body, also where it is left out.
	body   io.ReadCloser
	length int64
}

func (a answer) response(r *http.Request) *http.Response {
	out := &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: a.body, ContentLength: a.length, Request: r,
	}
	for key, value := range a.header {
		out.Header.Set(key, value)
	}
	out.Header.Set("Content-Length", strconv.FormatInt(a.length, 10))
	if a.body == nil {
		out.Body = http.NoBody
	} else if r.Method == http.MethodHead {
		_ = a.body.Close() // only read from
		out.Body = http.NoBody
	}
	return out
}

func inJSON(status int, what any, header map[string]string) (answer, error) {
	text, err := json.Marshal(what)
	if err != nil {
		return answer{}, err
	}
	if header == nil {
		header = map[string]string{}
	}
	if header["Content-Type"] == "" {
		header["Content-Type"] = "application/json"
	}
	return answer{status: status, header: header, body: io.NopCloser(bytes.NewReader(text)),
		length: int64(len(text))}, nil
}

func (r *refusal) answer() (answer, error) {
	type told struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return inJSON(r.status, map[string][]told{"errors": {{r.code, r.message}}}, nil)
}

var routes = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/(.*)$`)

// answer carries out a request, if it is one that a registry knows.
func (l *Layout) answer(r *http.Request) (answer, error) {
	switch r.URL.Path {
	case "/v2", "/v2/":
		return inJSON(http.StatusOK, map[string]any{}, map[string]string{
			"Docker-Distribution-API-Version": "registry/2.0"})
	case "/v2/_catalog":
		return l.catalog(r)
	}
	m := routes.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return answer{}, refuse(http.StatusNotFound, "NAME_UNKNOWN", "there is no %s", r.URL.Path)
	}
	repo, rest := m[1], m[3]
	if !repositoryName.MatchString(repo) {
		return answer{}, refuse(http.StatusBadRequest, "NAME_INVALID", "%q is no name of a repository", repo)
	}
	switch m[2] {
	case "manifests":
		return l.manifests(r, repo, rest)
	case "blobs":
		return l.blobs(r, repo, rest)
	case "referrers":
		return l.referrers(r, repo, rest)
	}
	return l.tags(r, repo, rest)
}

func notAllowed(r *http.Request) error {
	return refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "%s is not supported here", r.Method)
}
