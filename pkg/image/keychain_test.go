// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// docker makes Docker's configuration, and helpers as shell scripts.
func docker(t *testing.T, config string, helpers map[string]string) {
	t.Helper()
	dir := write(t, map[string]string{".docker/config.json": config, "bin/": ""})
	for name, script := range helpers {
		must(0, os.WriteFile(filepath.Join(dir, "bin", "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o700))
	}
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/bin:/usr/bin")
}

// fixed knows one registry.
type fixed struct{ registry, password string }

func (f fixed) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if target.RegistryStr() != f.registry {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: "u", Password: f.password}), nil
}

func TestKeychain(t *testing.T) {
	docker(t, `{"auths": {"docker.example": {"auth": "`+base64.StdEncoding.EncodeToString([]byte("u:of-docker"))+`"}},
		"credHelpers": {"helped.example": "good"}}`, map[string]string{
		"good": `echo '{"ServerURL":"helped.example","Username":"u","Secret":"of-helper"}'`})
	logins := []amlv1.ImageRegistry{{Address: "base.example", Username: "u", Password: "of-base"},
		{Address: "https://docker.io/v1/", Username: "u", Password: "of-hub"}}
	keychain := must(Keychain(nil, logins, fixed{"other.example", "of-other"}, fixed{"docker.example", "late"}))
	for registry, want := range map[string]string{"base.example": "of-base", "docker.example": "of-docker",
		"helped.example": "of-helper", "other.example": "of-other", "index.docker.io": "of-hub", "nobody.example": "",
		"base.example:5000": "", "sub.base.example": ""} {
		target := must(name.NewRepository(registry + "/x"))
		equal(t, registry, must(must(keychain.Resolve(target)).Authorization()).Password, want)
		equal(t, registry, must(must(authn.Resolve(t.Context(), keychain, target)).Authorization()).Password, want)
	}
	_, err := Keychain(nil, []amlv1.ImageRegistry{{Address: "a b"}})
	equal(t, "error", err, `registry "a b" of a base image is not valid: write its host, such as example.azurecr.io`)
}

func TestCredentialHelpersThatDoNotHelp(t *testing.T) {
	const advice = `: see to credsStore and credHelpers in Docker's config.json, or run "docker login HOST"`
	for name, c := range map[string]struct{ script, want string }{
		"one that is missing": {"", `cannot get the login for HOST: error getting credentials - err: exec: ` +
			`"docker-credential-bad": executable file not found in $PATH, out: ` + "``" + advice},
		"one that fails": {"echo no vault; exit 1", "cannot get the login for HOST: error getting credentials - err: " +
			"exit status 1, out: `no vault`" + advice},
		"one that says nothing": {"exec sleep 2", "cannot get the login for HOST: a credential helper says nothing for 30s" +
			advice},
	} {
		t.Run(name, func(t *testing.T) {
			helpers := map[string]string{"bad": c.script}
			if c.script == "" {
				helpers = nil
			}
			docker(t, `{"credsStore": "bad"}`, helpers)
			reg := newRegistry(t)
			o := options()
			o.Keychain = nil
			if strings.Contains(c.want, "30s") {
				o.Clock = timeless()
			}
			want := strings.ReplaceAll(c.want, "HOST", reg.host)
			_, err := Resolve(t.Context(), reg.host+"/x:1", o)
			equal(t, "error", err, want)
			equal(t, "error of the reach", Reach(t.Context(), reg.host+"/x", o), want)
			w := newWorkshop(t, reg.host)
			w.Options.Clock = o.Clock
			w.Options.Keychain = only{patientKeychain{authn.DefaultKeychain, o.clock()}, reg.host}
			equal(t, "of a global registry", must(w.Find(t.Context(), anEnvironment)).Looked[1].Passed, want)
		})
	}
}

// only asks another keychain for one registry.
type only struct {
	authn.Keychain
	registry string
}

func (o only) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if target.RegistryStr() != o.registry {
		return authn.Anonymous, nil
	}
	return o.Keychain.Resolve(target)
}

// The login of a base image's registry goes to that registry alone.
func TestALoginGoesToItsRegistryOnly(t *testing.T) {
	docker(t, "{}", nil)
	own, other := newRegistry(t), newRegistry(t)
	ref, elsewhere := own.environment(t), other.environment(t)
	for _, reg := range []*testRegistry{own, other} {
		reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			if user == "u" && password == "secret" {
				if reg == other {
					t.Errorf("the other registry was sent the login with %s %s", r.Method, r.URL)
				}
				return false
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		})
	}
	o := options()
	o.Keychain = must(Keychain(nil, []amlv1.ImageRegistry{{Address: own.host, Username: "u", Password: "secret"}}))
	_, err := Resolve(t.Context(), ref, o)
	equal(t, "error", err, nil)
	_, err = Resolve(t.Context(), elsewhere, o)
	var told *RegistryError
	equal(t, "status of the other", errors.As(err, &told) && told.Status == http.StatusUnauthorized, true)
}
