// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// headByGet answers a HEAD that a registry does not allow with what it answers to
// GET: some only know that. A blob is not read for it.
func (t *countingTransport) headByGet(r *http.Request, refused *http.Response) (*http.Response, error) {
	_ = refused.Body.Close() // a HEAD has none
	get := r.Clone(r.Context())
	get.Method = http.MethodGet
	answer, err := t.next.RoundTrip(get)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // only read from
	answer.Request = r
	if strings.Contains(r.URL.Path, "/manifests/") && answer.StatusCode == http.StatusOK {
		if err := describe(answer); err != nil {
			return nil, err
		}
	}
	answer.Body = http.NoBody
	return answer, nil
}

// describe adds what the answer to a GET of a manifest may lack, and one to HEAD
// has to tell.
func describe(answer *http.Response) error {
	const largest = 4 << 20 // what registries take
	manifest, err := io.ReadAll(io.LimitReader(answer.Body, largest+1))
	if err != nil {
		return err
	}
	if len(manifest) > largest {
		return fmt.Errorf("the manifest is larger than %d bytes", largest)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(manifest))
	if err != nil {
		return err
	}
	answer.ContentLength = int64(len(manifest))
	if answer.Header.Get("Docker-Content-Digest") == "" {
		answer.Header.Set("Docker-Content-Digest", digest.String())
	}
	return nil
}
