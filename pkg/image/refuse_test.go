// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

func TestPackageRefuses(t *testing.T) {
	t.Parallel()
	// %s is the folder of the project.
	cases := map[string]struct {
		prepare func(t *testing.T, dir string, src *Source)
		want    string
	}{
		"a model that is not there": {
			func(_ *testing.T, dir string, src *Source) { src.Models[0].Path = dir + "/models/mode.pkl" },
			"model sentiment:1: %s/models/mode.pkl does not exist: write the path of a file or folder",
		},
		"two models of one name and version": {
			func(_ *testing.T, _ string, src *Source) { src.Models = append(src.Models, src.Models[0]) },
			"model sentiment:1 is given twice: give one of them another name or version",
		},
		"a link out of the folder": {
			func(_ *testing.T, dir string, _ *Source) { must(0, os.Symlink("/etc/passwd", dir+"/src/users")) },
			"link %s/src/users leads out of %s/src, to /etc/passwd: put the file itself there",
		},
		"a link out of the folder by a folder that is a link": {
			func(_ *testing.T, dir string, _ *Source) {
				must(0, os.Symlink("../models", dir+"/src/m"))
				must(0, os.Symlink("m/model.pkl", dir+"/src/n"))
			},
			"link %s/src/m leads out of %s/src, to %s/models: put the file itself there\n" +
				"link %s/src/n leads out of %s/src, to %s/models/model.pkl: put the file itself there",
		},
		"a link to nothing": {
			func(_ *testing.T, dir string, _ *Source) { must(0, os.Symlink("gone", dir+"/src/here")) },
			"link %s/src/here leads to nothing: remove it, or leave it out with .amlignore",
		},
		"a link to itself": {
			func(_ *testing.T, dir string, _ *Source) { must(0, os.Symlink("loop", dir+"/src/loop")) },
			"link %s/src/loop leads to nothing: remove it, or leave it out with .amlignore",
		},
		"a link to what is left out": {
			func(_ *testing.T, dir string, _ *Source) {
				must(0, os.WriteFile(dir+"/src/.amlignore", []byte("lib/\n"), 0o600))
				must(0, os.Symlink("lib/a.py", dir+"/src/b.py"))
			},
			"link %s/src/b.py leads to a file that .amlignore leaves out: leave both out, or none",
		},
		"a socket in a model": {
			func(_ *testing.T, dir string, src *Source) {
				l := must(net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/models/bert/s"}))
				l.SetUnlinkOnClose(false)
				must(0, l.Close())
				src.Models[0].Path = dir + "/models/bert"
			},
			"%s/models/bert/s is a socket: remove it, or leave it out with .amlignore",
		},
		"a device as the model": {
			func(_ *testing.T, _ string, src *Source) { src.Models[0].Path = "/dev/null" },
			"/dev/null is a device: remove it, or leave it out with .amlignore",
		},
		"an entry script that is left out": {
			func(_ *testing.T, dir string, _ *Source) {
				must(0, os.WriteFile(dir+"/src/.gitignore", []byte("*.py\n"), 0o600))
			},
			"entry script %s/src/score.py is left out by .gitignore: add a line !score.py to it",
		},
		"an ignore file with a line that is no pattern": {
			func(_ *testing.T, dir string, _ *Source) {
				must(0, os.WriteFile(dir+"/src/.amlignore", []byte("a\nb\\\n"), 0o600))
			},
			`%s/src: .amlignore:2: "b\\" is not a pattern: write a character after the last "\"`,
		},
		"a repository that is none": {
			func(_ *testing.T, _ string, src *Source) { src.Environment = "Env:1" },
			`image "Env:1" is not valid: write it as HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, in lower case`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, src := project(t)
			c.prepare(t, dir, &src)
			_, err := Package(t.Context(), src, "localhost:1/x", options())
			want := strings.ReplaceAll(c.want, "%s", dir)
			equal(t, "error", err, want)
			if src.Environment == "" {
				equal(t, "error of the check", Check(src), want)
			}
		})
	}
}

func TestPackageRefusesARepositoryThatIsNone(t *testing.T) {
	t.Parallel()
	for _, repository := range []string{"", "https://x", "localhost:1/X", "localhost:1/x:tag"} {
		_, err := Package(t.Context(), Source{}, repository, options())
		equal(t, "error", err, `repository "`+repository+`" is not valid: write it as HOST/NAME in lower case, such as `+
			"example.azurecr.io/models")
	}
}

func TestPackageKeepsLinksInTheFolder(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment = reg.environment(t)
	must(0, os.Symlink(filepath.Join(dir, "src/score.py"), filepath.Join(dir, "src/lib/absolute.py")))
	must(0, os.Symlink("../../src/lib/a.py", filepath.Join(dir, "src/lib/around.py")))
	must(0, os.Symlink("lib", filepath.Join(dir, "src/folder")))
	// The model itself may be a link to anywhere.
	must(0, os.Symlink(filepath.Join(dir, "models/model.pkl"), filepath.Join(dir, "latest.pkl")))
	src.Models[0].Path = filepath.Join(dir, "latest.pkl")
	got, err := Package(t.Context(), src, reg.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, f := range files(t, got) {
		if strings.Contains(f, "->") || strings.Contains(f, ".pkl") {
			links = append(links, f)
		}
	}
	equal(t, "links", strings.Join(links, "\n"), strings.Join([]string{
		"644 var/azureml-app/azureml-models/sentiment/1/latest.pkl",
		"777 var/azureml-app/src/folder -> lib",
		"777 var/azureml-app/src/lib/absolute.py -> ../score.py",
		"777 var/azureml-app/src/lib/around.py -> a.py",
	}, "\n"))
}

func TestPackageLeavesOutWhatTheIgnoreFileSays(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment = reg.environment(t)
	src.Models = nil
	must(0, os.WriteFile(filepath.Join(dir, "src/.amlignore"), []byte("lib/*\n!lib/a.py\nempty\n"), 0o600))
	must(0, os.WriteFile(filepath.Join(dir, "src/.gitignore"), []byte("score.py\n"), 0o600))
	must(0, os.WriteFile(filepath.Join(dir, "src/lib/b.py"), nil, 0o700))
	got, err := Package(t.Context(), src, reg.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", strings.Join(files(t, got)[2:], "\n"), strings.Join([]string{
		"755 var/azureml-app/src/",
		"644 var/azureml-app/src/.amlignore",
		"644 var/azureml-app/src/.gitignore",
		"755 var/azureml-app/src/lib/",
		"644 var/azureml-app/src/lib/a.py",
		"644 var/azureml-app/src/score.py",
	}, "\n"))
	equal(t, "told", []any{got.IgnoreFile, got.Ignored}, []any{".amlignore", 2})
}

func TestPackageNoticesFilesThatChange(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, file string){
		"grows": func(_ *testing.T, file string) {
			f := must(os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0))
			must(f.WriteString("more"))
			must(0, f.Close())
		},
		"shrinks": func(_ *testing.T, file string) { must(0, os.Truncate(file, 1)) },
		"is replaced": func(_ *testing.T, file string) {
			must(0, os.Rename(must(os.CreateTemp(filepath.Dir(file), "")).Name(), file))
		},
		"is written to": func(_ *testing.T, file string) {
			must(0, os.WriteFile(file, []byte("WEIGHTS"), 0o600))
			must(0, os.Chtimes(file, time.Time{}, time.Unix(1, 0)))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			dir, src := project(t)
			src.Environment = reg.environment(t)
			file := filepath.Join(dir, "models/model.pkl")
			var once sync.Once
			// Hashing is over when the first upload begins.
			reg.fail(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					once.Do(func() { change(t, file) })
				}
				return false
			})
			_, err := Package(t.Context(), src, reg.host+"/x", options())
			var changed *ChangedError
			if !errors.As(err, &changed) {
				t.Fatalf("error %v", err)
			}
			equal(t, "error", err, file+" changed while it was read: wait until nothing writes to it, then try again")
		})
	}
}

func TestPackageNoticesAChangeThatKeepsSizeAndTime(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment = reg.environment(t)
	file := filepath.Join(dir, "models/model.pkl")
	before := must(os.Stat(file)).ModTime()
	var once sync.Once
	reg.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			once.Do(func() {
				must(0, os.WriteFile(file, []byte("WEIGHTS"), 0o600))
				must(0, os.Chtimes(file, before, before))
			})
		}
		return false
	})
	_, err := Package(t.Context(), src, reg.host+"/x", options())
	equal(t, "error", err, "a file of the model sentiment:1 changed while it was read: "+
		"wait until nothing writes to it, then try again")
}

func TestRegistryErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	// HOST is the registry's.
	cases := map[string]struct {
		// on is the method that gets the answer.
		on     string
		status int
		body   string
		want   string
	}{
		"401": {"", 401, "", `cannot read HOST/environments/sklearn:1: the registry wants a login (401): ` +
			`run "docker login HOST", then try again`},
		"403": {"POST", 403, "", `cannot push to HOST/x: the login does not allow it (403): ask for the right to it, ` +
			`or log in as somebody else with "docker login HOST"`},
		"404": {"GET", 404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"x"}]}`, "cannot read HOST/environments/" +
			"sklearn:1: there is no such image (404): correct the name and the tag, or push the image first"},
		"404 of a repository": {"POST", 404, `{"errors":[{"code":"NAME_UNKNOWN","message":"x"}]}`, "cannot push to HOST/x: " +
			"there is no such repository (404): correct the name, or create the repository"},
		"404 of a push": {"POST", 404, "", "cannot push to HOST/x: there is no such repository (404): " +
			"correct the name, or create the repository"},
		"413": {"PATCH", 413, "", "cannot push to HOST/x: a layer is too large for the registry (413): " +
			"raise the limit of the registry or of the proxy before it"},
		"416": {"PUT", 416, `{"errors":[{"code":"RANGE_INVALID","message":"invalid content range"}]}`, "cannot push to " +
			"HOST/x: the registry did not keep what it was sent (416): see whether its disk is full, then try again"},
		"429": {"GET", 429, "", "cannot read HOST/environments/sklearn:1: the registry has had too many requests (429): " +
			"wait a few minutes, then try again; a login raises the limit"},
		"500": {"POST", 500, "", "cannot push to HOST/x: the registry failed (500): " +
			"try again later; if it stays, look at the registry's logs"},
		"400": {"PATCH", 400, `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"too\nodd"}]}`, "cannot push to HOST/x: " +
			"the registry refused it (400, BLOB_UPLOAD_INVALID too odd): see what the registry's logs say"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			_, src := project(t)
			src.Environment = reg.environment(t)
			reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
				if c.on != "" && (r.Method != c.on || r.URL.Path == "/v2/") {
					return false
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
				return true
			})
			_, err := Package(t.Context(), src, reg.host+"/x", options())
			equal(t, "error", err, strings.ReplaceAll(c.want, "HOST", reg.host))
			var told *RegistryError
			if !errors.As(err, &told) || told.Status != c.status {
				t.Errorf("error %#v, want a RegistryError with %d", err, c.status)
			}
		})
	}
}

func TestRegistriesThatCannotBeReached(t *testing.T) {
	t.Parallel()
	nothing := unheard(t)
	lost := roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	})
	plain := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "https" {
			return nil, errors.New("http: server gave HTTP response to HTTPS client")
		}
		t.Errorf("a request went out over plain HTTP: %s", r.URL)
		return nil, io.EOF
	})
	cases := map[string]struct {
		ref       string
		transport http.RoundTripper
		want      string
	}{
		"nobody listens": {nothing + "/x:1", nil, "cannot look up " + nothing + "/x:1: nothing listens at " + nothing +
			": check the name and the port, and that the registry runs"},
		"unknown host": {"registry.invalid/x:1", lost, "cannot look up registry.invalid/x:1: " +
			"the name registry.invalid is not known: check the name of the registry, and the network"},
		"plain HTTP": {"registry.example/x:1", plain, "cannot look up registry.example/x:1: the registry registry.example " +
			"speaks plain HTTP, which others can read on the way: " +
			"use one with TLS, or allow this one with --insecure-registry"},
		"plain HTTP in a private network": {"10.1.2.3:5000/x:1", plain, "cannot look up 10.1.2.3:5000/x:1: the registry " +
			"10.1.2.3:5000 speaks plain HTTP, which others can read on the way: " +
			"use one with TLS, or allow this one with --insecure-registry"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Transport = c.transport
			_, err := Resolve(t.Context(), c.ref, o)
			equal(t, "error", err, c.want)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestInsecureAllowsPlainHTTP(t *testing.T) {
	t.Parallel()
	o := options()
	o.Insecure = true
	schemes := map[string]bool{}
	o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		schemes[r.URL.Scheme] = true
		return nil, errors.New("not here")
	})
	_, err := Resolve(t.Context(), "registry.example/x:1", o)
	if err == nil || !schemes["http"] {
		t.Errorf("error %v, schemes %v", err, schemes)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.environment(t)
	tagged := must(Resolve(t.Context(), ref, options()))
	if !strings.HasPrefix(tagged, reg.host+"/environments/sklearn@sha256:") {
		t.Errorf("resolved %s", tagged)
	}
	equal(t, "a digest", must(Resolve(t.Context(), tagged, options())), tagged)

	reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return r.Method == http.MethodHead
	})
	equal(t, "without HEAD", must(Resolve(t.Context(), ref, options())), tagged)

	reg.fail(nil)
	_, err := Resolve(t.Context(), reg.host+"/environments/sklearn:2", options())
	equal(t, "a tag that is not there", err, "cannot look up "+reg.host+
		"/environments/sklearn:2: there is no such image (404): correct the name and the tag, or push the image first")
}

func TestResolveOfAnIndexKeepsItsDigest(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	index := must(random.Index(10, 1, 2))
	ref := must(parseImage(reg.host+"/multi:1", options()))
	must(0, remote.WriteIndex(ref, index))
	equal(t, "resolved", must(Resolve(t.Context(), reg.host+"/multi:1", options())),
		reg.host+"/multi@"+must(index.Digest()).String())
}

func TestPackageOfAnIndexWithoutLinux(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: must(random.Image(10, 1)),
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	must(0, remote.WriteIndex(must(parseImage(reg.host+"/multi:1", options())), index))
	dir, _ := project(t)
	_, err := Package(t.Context(), Source{Environment: reg.host + "/multi:1", Code: amlv1.Code{
		Script: dir + "/src/score.py", EntryScript: "score.py"}}, reg.host+"/x", options())
	equal(t, "error", err, "cannot read "+reg.host+"/multi:1: no child with platform linux/amd64 in index "+
		reg.host+"/multi:1: check the name of the image, and that it is for linux/amd64")
}
