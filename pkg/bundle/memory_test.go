// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// zeros are without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A model of 128 MB is written, checked and pushed with less than a quarter of that
// allocated, all in all. It counts what the process allocates, so nothing runs
// beside it.
func TestMemoryDoesNotGrowWithTheModel(t *testing.T) {
	const size, most = 128 << 20, 32 << 20
	sum := sha256.New()
	must(io.CopyN(sum, zeros{}, size))
	layer := v1.Descriptor{MediaType: types.OCILayer, Size: size, Digest: v1.Hash{Algorithm: "sha256",
		Hex: hex.EncodeToString(sum.Sum(nil))}}
	s := newShop(t)
	ref := s.heavy(layer)
	start := allocated()
	file := filepath.Join(t.TempDir(), "b.tar")
	must(Write(t.Context(), s.courier(), s.endpoint([]string{ref}, ""), file, false))
	b := opened(t, file)
	must(0, b.Verify(t.Context(), io.Discard))

	var received int64
	other := newShop(t)
	other.spoils(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || r.ContentLength != -1 && r.ContentLength < 1<<20 {
			return false
		}
		received = must(io.Copy(io.Discard, r.Body))
		w.WriteHeader(http.StatusInsufficientStorage) // nothing here could keep it
		return true
	})
	if _, err := b.Push(t.Context(), other.courier(), other.host); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("pushed: %v", err)
	}
	if received != size {
		t.Errorf("received %d bytes", received)
	}
	if grew := allocated() - start; grew > most {
		t.Errorf("%d MB were allocated for a model of %d MB", grew>>20, size>>20)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// heavy is an image whose layer is made as it is read.
func (s *shop) heavy(layer v1.Descriptor) string {
	s.t.Helper()
	config, d := blobOf([]byte(`{"os":"linux","architecture":"amd64"}`), types.OCIConfigJSON)
	must(s.courier().Upload(s.t.Context(), s.host+"/heavy", d.Digest, d.Size, func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(config.text))), nil
	}))
	manifest := must(json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: d,
		Layers: []v1.Descriptor{layer}}))
	must(0, s.courier().Put(s.t.Context(), s.host+"/heavy", "1", types.OCIManifestSchema1, manifest))
	s.spoils(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, layer.Digest.Hex) {
			return false
		}
		w.Header().Set("Content-Length", strconv.FormatInt(layer.Size, 10))
		_, _ = io.CopyN(w, zeros{}, layer.Size) // who reads it tells
		return true
	})
	return s.host + "/heavy:1"
}
