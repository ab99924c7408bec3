// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// keepsImages puts images into the folder of this machine, as of years ago: one
// that an earlier revision of an endpoint has, and one that none has. It returns the
// name of the second.
func (w *world) keepsImages() string {
	w.t.Helper()
	w.env["AML_LAYOUT"] = filepath.Join(w.dir, "images")
	w.mustDeploy("blue")
	pinned := regexp.MustCompile(w.registry + "/diabetes@sha256:[0-9a-f]{64}")
	image := pinned.FindString(w.run("get", "versions", "-o", "json").out)
	ref, err := name.NewDigest(image)
	w.fatal(err)
	used, err := remote.Image(ref)
	w.fatal(err)
	if r := w.types("sed -i s#"+w.registry+"/diabetes@#layout.localhost/diabetes:1@# $1", "--wait=false"); r.code != 0 {
		w.t.Fatal(r.err)
	}
	w.mustDeploy("blue", "--replicas", "2")
	unused, err := random.Image(1000, 1)
	w.fatal(err)
	gone := w.keeps(unused)
	w.keeps(used)
	w.ages()
	return gone
}

func (w *world) fatal(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// keeps puts an image into the folder and returns its name there.
func (w *world) keeps(image v1.Image) string {
	w.t.Helper()
	l, err := layout.Open(w.env["AML_LAYOUT"])
	w.fatal(err)
	digest, err := image.Digest()
	w.fatal(err)
	ref, err := name.NewDigest(layout.Host + "/diabetes@" + digest.String())
	w.fatal(err)
	w.fatal(remote.Write(ref, image, remote.WithTransport(l.Transport(http.DefaultTransport))))
	return ref.Name()
}

// ages makes all that is in the folder years old.
func (w *world) ages() {
	w.t.Helper()
	then := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	w.fatal(filepath.WalkDir(w.env["AML_LAYOUT"], func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	}))
}

func TestPruneLeavesWhatARevisionHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := w.keepsImages()
	folder := w.env["AML_LAYOUT"]
	for _, step := range []struct{ command, out, err string }{
		{"prune --dry-run", gone + " deleted (dry run)\n", "prune: 1 images, 0.0 MB in DIR/images\n"},
		{"prune --dry-run=client", gone + " deleted (dry run)\n", "prune: 1 images, 0.0 MB in DIR/images\n"},
		{"prune --unused-for 900000h", "", "prune: 0 images, 0.0 MB in DIR/images\n"},
		{"prune", gone + " deleted\n", "prune: 1 images, 0.0 MB in DIR/images\n"},
		{"prune", "", "prune: 0 images, 0.0 MB in DIR/images\n"},
	} {
		if r := w.run(strings.Fields(step.command)...); r.code != 0 || r.out != step.out || r.err != step.err {
			t.Errorf("%s: exit code %d\n%s%s", step.command, r.code, r.out, r.err)
		}
	}
	// A manifest, a config, and the layers of environment, model and code.
	blobs, err := os.ReadDir(filepath.Join(folder, "blobs/sha256"))
	if err != nil || len(blobs) != 5 {
		t.Errorf("%d blobs are left, %v", len(blobs), err)
	}
}

func TestPruneRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["AML_LAYOUT"] = w.dir
	for command, want := range map[string]string{
		"prune --unused-for 5m": "error: --unused-for 5m0s is too short: write 1h or more, since who deploys may be about " +
			"to push\n",
		"prune --dry-run=server": "error: dry-run \"server\" is not known: write none or client\n",
		"prune": "error: image layout DIR: it has model.txt in it and is no image layout: name an empty folder, or one " +
			"that is not there, with AML_LAYOUT\n",
		"prune all": "error: 1 arguments where 0 belong: write kubectl aml prune [flags]\n",
	} {
		if r := w.run(strings.Fields(command)...); r.code == 0 || w.plain(r.err) != want {
			t.Errorf("%s: exit code %d: %s", command, r.code, r.err)
		}
	}
	w.change = func(e *cmd.Env) {
		e.Connect = func(*genericclioptions.ConfigFlags) (*cmd.Session, error) { return nil, errors.New("nothing listens") }
	}
	if r := w.run("prune"); r.code != 1 || r.err != "error: which images endpoints have cannot be found out: nothing listens\n" {
		t.Errorf("without a cluster: exit code %d: %s", r.code, r.err)
	}
}
