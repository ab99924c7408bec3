// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// locked is a registry that wants a login, with the image ready:1.
func locked(t *testing.T, user, password string) string {
	t.Helper()
	behind := registry.New(registry.Logger(quiet()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/ready:1")
	if err != nil {
		t.Fatal(err)
	}
	login := authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	if err := remote.Write(tag, img, remote.WithAuth(login)); err != nil {
		t.Fatal(err)
	}
	return host
}

// An image that has everything is taken with all that its environment says of it:
// the registry that it is in, the login there, the Python that is meant.
func TestAReadyImageIsTakenAsItsEnvironmentSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["DOCKER_HOST"] = "unix://" + w.dir + "/none.sock"
	host := locked(t, "u", "geheim")
	w.write("login.json", `{"entryScript": "score.py", "environment": {"python": {"userManagedDependencies": true}, "docker": {
		"baseImage": "ready:1", "baseImageRegistry": {"address": "`+host+`", "username": "u", "password": "geheim"}}}}`)
	w.write("python.json", `{"entryScript": "score.py", "environment": {"docker": {"baseImage": "`+w.registry+
		`/environment:1"}, "python": {"userManagedDependencies": true, "interpreterPath": "/opt/conda/bin/python"}}}`)
	for _, command := range []string{"deploy iris --wait=false --inference-config login.json -m model.txt",
		"model package -ic login.json -m model.txt", "bundle create iris --inference-config login.json -m model.txt",
		"validate --inference-config login.json", "model package -ic login.json -m model.txt --output-path context"} {
		r := w.run(strings.Fields(command)...)
		if strings.HasPrefix(command, "bundle") { // whose other images are not here
			if strings.Contains(r.err, host) || !strings.Contains(r.err, "image: REGISTRY/iris@DIGEST") {
				t.Errorf("%s: %s", command, r.err)
			}
			continue
		}
		if r.code != 0 || strings.Contains(r.err, "geheim") {
			t.Errorf("%s: exit code %d\n%s%s", command, r.code, r.out, r.err)
		}
	}
	r := w.run("deploy", "iris", "--inference-config", "python.json", "-m", "model.txt")
	if want := "nothing here can build the environment: "; r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("its Python is left out: exit code %d\n%s", r.code, r.err)
	}
}
