// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

func TestRegistriesOfOwnAuthorities(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	dir := write(t, map[string]string{"text.pem": "no certificate", "ca.pem": string(pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))})
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"with its certificate": {[]string{"ca.pem"}, "there is no such image (404)"},
		"without": {nil, "cannot look up " + host + "/x:1: the certificate of " + host + " is not from an authority that " +
			"this machine trusts: name a file with that authority with --registry-ca"},
		"a file that is no PEM": {[]string{"text.pem"},
			"CA file " + dir + "/text.pem holds no certificate: write the path of one in PEM"},
		"all at once": {[]string{"text.pem", "gone.pem", "ca.pem"},
			"CA file " + dir + "/text.pem holds no certificate: write the path of one in PEM\n" +
				"CA file " + dir + "/gone.pem cannot be read: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			for _, file := range c.files {
				o.CAFiles = append(o.CAFiles, filepath.Join(dir, file))
			}
			_, err := Resolve(t.Context(), host+"/x:1", o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\n want %s", err, c.want)
			}
			refused := strings.HasPrefix(c.want, "CA file")
			if checked := o.Check(); (checked != nil) != refused || refused && checked.Error() != c.want {
				t.Errorf("check %v", checked)
			}
		})
	}
	wrapped := options()
	wrapped.CAFiles = []string{filepath.Join(dir, "ca.pem")}
	var passed atomic.Int32
	wrapped.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			passed.Add(1)
			return next.RoundTrip(r)
		})
	}
	_, err := Resolve(t.Context(), host+"/x:1", wrapped)
	equal(t, "behind a folder of images", []any{statusOf(err), passed.Load() > 0}, []any{404, true})
	o := options()
	o.CAFiles, o.Transport = []string{filepath.Join(dir, "ca.pem")}, roundTripper(nil)
	equal(t, "error", o.Check(), "CA files cannot be added to a transport of type image.roundTripper")
}
