// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package sink

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestAnImageCanBePushed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(New())
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/x:1")
	if err != nil {
		t.Fatal(err)
	}
	made, err := random.Image(3*kept, 2)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds all blobs there
		if err := remote.Write(ref, made); err != nil {
			t.Fatal(err)
		}
	}
	got, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	file, err := got.ConfigFile()
	if err != nil || len(file.RootFS.DiffIDs) != 2 {
		t.Errorf("got config %+v, error %v", file, err)
	}
}
