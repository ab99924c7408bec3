// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	img := must(random.Image(10, 1))
	must(0, remote.Write(ref("x/y:1"), img, l.remote(t)...))
	digest := must(img.Digest()).String()
	zero := "sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		request string
		status  int
		told    string
	}{
		"a registry":          {"GET /v2/", 200, `{}`},
		"something else":      {"GET /v1/", 404, "NAME_UNKNOWN"},
		"a wrong name":        {"GET /v2/X/manifests/1", 400, "NAME_INVALID"},
		"a path upwards":      {"GET /v2/../../etc/blobs/" + zero, 400, "NAME_INVALID"},
		"a wrong tag":         {"GET /v2/x/manifests/..", 400, "TAG_INVALID"},
		"a wrong digest":      {"GET /v2/x/manifests/sha256:0", 400, "DIGEST_INVALID"},
		"another digest":      {"GET /v2/x/blobs/sha512:" + strings.Repeat("0", 128), 400, "DIGEST_INVALID"},
		"no tag":              {"GET /v2/x/y/manifests/2", 404, "MANIFEST_UNKNOWN"},
		"no manifest":         {"DELETE /v2/x/y/manifests/" + zero, 404, "MANIFEST_UNKNOWN"},
		"no tag to delete":    {"DELETE /v2/x/y/manifests/2", 404, "MANIFEST_UNKNOWN"},
		"no blob":             {"GET /v2/x/blobs/" + zero, 404, "BLOB_UNKNOWN"},
		"no deletion":         {"DELETE /v2/x/blobs/" + zero, 405, "UNSUPPORTED"},
		"no repository":       {"GET /v2/z/tags/list", 404, "NAME_UNKNOWN"},
		"no upload":           {"PATCH /v2/x/blobs/uploads/1", 404, "BLOB_UPLOAD_UNKNOWN"},
		"tags":                {"GET /v2/x/y/tags/list", 200, `{"name":"x/y","tags":["1"]}`},
		"a wrong page":        {"GET /v2/x/y/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"},
		"an empty page":       {"GET /v2/x/y/tags/list?n=0", 200, `"tags":[]`},
		"the catalog":         {"GET /v2/_catalog", 200, `{"repositories":["x/y"]}`},
		"nothing behind that": {"GET /v2/_catalog?last=x/y", 200, `{"repositories":[]}`},
		"no referrers":        {"GET /v2/x/y/referrers/" + digest, 200, `"manifests":[]`},
		"no manifest at all":  {"PUT /v2/x/manifests/1", 400, "MANIFEST_INVALID"},
		"a change":            {"POST /v2/x/manifests/1", 405, "UNSUPPORTED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(c.request, " ")
			a, told, err := l.do(t, method, path, "")
			if err != nil || a.StatusCode != c.status || !strings.Contains(told, c.told) {
				t.Errorf("%d %s, %v", a.StatusCode, told, err)
			}
		})
	}
	_, err := remote.Get(must(name.ParseReference("ghcr.io/x:1")), l.remote(t)...)
	if err == nil || !strings.Contains(err.Error(), "not here") {
		t.Errorf("another registry: %v", err)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	digest, _, err := v1.SHA256(strings.NewReader("0123456789"))
	must(0, err)
	a, _, err := l.do(t, "POST", "/v2/x/blobs/uploads/?digest="+digest.String(), "0123456789")
	equal(t, "written", []any{a.StatusCode, err}, []any{201, nil})
	for header, want := range map[string]string{
		"":              "200 0123456789 ",
		"bytes=0-":      "200 0123456789 ",
		"bytes=3-":      "206 3456789 bytes 3-9/10",
		"bytes=3-5":     "206 345 bytes 3-5/10",
		"bytes=9-99":    "206 9 bytes 9-9/10",
		"bytes=-2":      "206 89 bytes 8-9/10",
		"bytes=-99":     "200 0123456789 ",
		"bytes=5-3":     "200 0123456789 ",
		"bytes=1-2,4-5": "200 0123456789 ",
		"lines=1-2":     "200 0123456789 ",
		"bytes=x":       "200 0123456789 ",
		"bytes=10-":     `416 {"errors":[{"code":"SIZE_INVALID","message":"the blob has 10 bytes"}]} `,
	} {
		a, got, err := l.do(t, "GET", "/v2/x/blobs/"+digest.String(), "", "Range: "+header)
		must(0, err)
		equal(t, header, fmt.Sprintf("%d %s %s", a.StatusCode, got, a.Header.Get("Content-Range")), want)
	}
}

func FuzzReadIndex(f *testing.F) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, name := range []string{"x/y:1", "x@" + digest, "v1", ":", "@", "X:1", "x:"} {
		f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+digest+`","annotations":{"`+refName+`":"`+name+
			`"}}]}`), "x/y", "1")
	}
	f.Add([]byte(`{"manifests":[{}]}`), "", "")
	f.Fuzz(func(t *testing.T, text []byte, repo, tag string) {
		i, err := readIndex(text)
		if err != nil {
			return
		}
		theirs := 0
		for _, d := range i.Manifests {
			e := entryOf(d)
			if e == (entry{}) {
				theirs++
			} else if got := entryOf(e.describe(d)); got != e {
				t.Errorf("%+v is read as %+v", e, got)
			}
		}
		if !repositoryName.MatchString(repo) || !tagName.MatchString(tag) {
			return
		}
		digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}
		i.put(repo, tag, v1.Descriptor{Digest: digest})
		i.put(repo, "", v1.Descriptor{Digest: digest})
		if d, there := i.find(repo, tag); !there || d.Digest != digest {
			t.Errorf("%s:%s is %v", repo, tag, d.Digest)
		}
		if !i.remove(repo, digest.String()) {
			t.Error("nothing was removed")
		}
		if n := len(slices.DeleteFunc(i.Manifests, func(d v1.Descriptor) bool { return entryOf(d) != entry{} })); n != theirs {
			t.Errorf("%d entries of others became %d", theirs, n)
		}
	})
}
