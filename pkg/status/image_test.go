// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import "testing"

func TestWhichImageWordsAreAbout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words, image string
		want         bool
	}{
		"as it is":         {`Back-off pulling image "a.example/x:1": ErrImagePull`, "a.example/x:1", true},
		"without quotes":   {"pull failed for a.example/x:1 because of nothing", "a.example/x:1", true},
		"before a colon":   {"failed to resolve reference a.example/x:1: not found", "a.example/x:1", true},
		"at the end":       {"cannot pull a.example/x@sha256:0.", "a.example/x@sha256:0", true},
		"written out":      {`Pulling image "docker.io/library/haproxy:latest"`, "haproxy", true},
		"of Docker Hub":    {`Pulling image "docker.io/envoyproxy/envoy:v1"`, "envoyproxy/envoy:v1", true},
		"a longer tag":     {`Pulling image "a.example/x:10"`, "a.example/x:1", false},
		"a digest more":    {`Pulling image "a.example/x:1@sha256:0"`, "a.example/x:1", false},
		"a tag more":       {`Pulling image "a.example/x:1"`, "a.example/x", false},
		"a path below":     {`Pulling image "a.example/x/y:1"`, "a.example/x", false},
		"another registry": {`Pulling image "b.example/x:1"`, "x:1", false},
		"nothing":          {"", "a.example/x:1", false},
	} {
		if got := mentions(c.words, c.image); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
