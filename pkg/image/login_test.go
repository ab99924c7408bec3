// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A registry of Azure's that wants a login takes two kinds of it.
func TestHowToLogIn(t *testing.T) {
	t.Parallel()
	o := options()
	o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("")), Request: r,
			Header: http.Header{"Www-Authenticate": []string{`Basic realm="r"`}}}, nil
	})
	for host, want := range map[string]string{
		"e.azurecr.io":             `run "az login" or "docker login e.azurecr.io", then try again`,
		"e.azurecr.cn":             `run "az login" or "docker login e.azurecr.cn", then try again`,
		"e.azurecr.io.example.com": `run "docker login e.azurecr.io.example.com", then try again`,
	} {
		_, err := Resolve(t.Context(), host+"/x:1", o)
		equal(t, "error", err, "cannot look up "+host+"/x:1: the registry wants a login (401): "+want)
	}
}
