// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/recipe"
)

// Of the registry's repositories only those of runs that are over go, and of the
// cluster's own images only what newer ones have replaced, and that if no run may
// name it.
func TestToDelete(t *testing.T) {
	const found = `e2e/aml-run-aaaaaaaa
e2e/aml-run-cccccccc
./aml/router/_manifests/tags/now/current/link
./aml/router/_manifests/tags/before/current/link
./kube-proxy/_manifests/tags/v1.37.0/current/link
./kube-proxy/_manifests/tags/before/current/link
./diabetes/_manifests/tags/before/current/link
./environments/_manifests/tags/before/current/link
./e2e/aml-run-cccccccc/models/m/_manifests/tags/1/current/link
`
	own := []recipe.Image{{Repository: "aml/router", Key: "now"}, {Repository: "kube-proxy", Key: "now", Tag: "v1.37.0"}}
	both := []string{"e2e/" + thisRun, "e2e/" + overRun}
	folders, tags := toDelete(found, nil, own)
	if !slices.Equal(folders, both) || !slices.Equal(tags, []string{"aml/router:before", "kube-proxy:before"}) {
		t.Errorf("to delete are %v and %v", folders, tags)
	}
	if folders, tags = toDelete(found, runs{thisRun}, own); !slices.Equal(folders, both[1:]) || len(tags) > 0 {
		t.Errorf("beside another run %v and %v are to be deleted", folders, tags)
	}
	if folders, tags = toDelete("", nil, own); len(folders)+len(tags) > 0 {
		t.Errorf("of nothing %v and %v are to be deleted", folders, tags)
	}
}

// A node loses an image that is gone by all its names, unless it has it by another
// one, too.
func TestGoneFrom(t *testing.T) {
	const list = `REF TYPE DIGEST SIZE PLATFORMS LABELS
localhost:5001/aml/router@sha256:1 t sha256:1 s p l
localhost:5001/aml/router@sha256:2 t sha256:2 s p l
localhost:5001/e2e/aml-run-aaaaaaaa/echo@sha256:3 t sha256:3 s p l
localhost:5001/e2e/aml-run-cccccccc/echo@sha256:3 t sha256:3 s p l
localhost:5001/e2e/aml-run-cccccccc/echo@sha256:4 t sha256:4 s p l
127.0.0.1:33651/e2e/aml-run-cccccccc/e2e-x/echo@sha256:5 t sha256:5 s p l
localhost:5001/diabetes@sha256:6 t sha256:6 s p l
sha256:c1 t sha256:1 s p l
sha256:c2 t sha256:2 s p l
sha256:c3 t sha256:3 s p l
sha256:c4 t sha256:4 s p l
sha256:c5 t sha256:5 s p l
sha256:c6 t sha256:6 s p l
`
	g := gone{runs: runs{thisRun}, images: map[string]bool{"localhost:5001/aml/router@sha256:2": true}}
	want := []string{"localhost:5001/aml/router@sha256:2", "localhost:5001/e2e/aml-run-cccccccc/echo@sha256:3",
		"localhost:5001/e2e/aml-run-cccccccc/echo@sha256:4", "127.0.0.1:33651/e2e/aml-run-cccccccc/e2e-x/echo@sha256:5",
		"sha256:c2", "sha256:c4", "sha256:c5"}
	if got := goneFrom(list, g); !slices.Equal(got, want) {
		t.Errorf("gone are\n%q\nwant\n%q", got, want)
	}
}

// What was loaded is idle from when nothing names it, and no more once something does.
func TestIdleSince(t *testing.T) {
	const list = `REF TYPE DIGEST
layout.localhost/words@sha256:1 t sha256:1
layout.localhost/words@sha256:2 t sha256:2
layout.localhost/words@sha256:3 t sha256:3
localhost:5001/diabetes@sha256:4 t sha256:4
`
	then, now := time.Unix(1, 0), time.Unix(2, 0)
	before := map[string]time.Time{"layout.localhost/words@sha256:1": then, "layout.localhost/words@sha256:3": then,
		"layout.localhost/words@sha256:5": then}
	got := idleSince(list, map[string]bool{"sha256:3": true}, before, now)
	want := map[string]time.Time{"layout.localhost/words@sha256:1": then, "layout.localhost/words@sha256:2": now}
	if !maps.Equal(got, want) {
		t.Errorf("idle are %v, want %v", got, want)
	}
}

func TestRevision(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(`{"name":"diabetes"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	content := base64.StdEncoding.EncodeToString(packed.Bytes())
	secret := corev1.Secret{Data: map[string][]byte{"release": []byte(content)}}
	if text, err := revision(secret); err != nil || text != `{"name":"diabetes"}` {
		t.Errorf("the revision is %q, %v", text, err)
	}
	if _, err := revision(corev1.Secret{}); err == nil {
		t.Error("nothing is a revision")
	}
}
