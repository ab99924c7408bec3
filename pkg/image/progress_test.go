// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// A push that takes long says how much was sent, and one that does not says nothing.
func TestALongPushSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		want  string
	}{
		"a long one":  {tellEvery, "MB sent"},
		"a short one": {tellEvery / 4, ""},
	} {
		reg := newRegistry(t)
		models := Models{Registry: reg.host + "/ml", Options: options()}
		now := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		models.Options.Clock = now
		var mu sync.Mutex
		var told []string
		models.Options.Log = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, line)
		}
		reg.fail(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch { // time passes before a large blob is all there
				half := make([]byte, 4<<20)
				n, err := io.ReadFull(r.Body, half)
				if err == nil {
					now.Step(c.takes)
				}
				r.Body = readCloser{io.MultiReader(bytes.NewReader(half[:n]), r.Body), r.Body}
			}
			return false
		})
		file := filepath.Join(t.TempDir(), "model.bin")
		must(0, os.WriteFile(file, make([]byte, 12<<20), 0o600))
		must(models.Register(t.Context(), "big", file, ModelInfo{}))
		mu.Lock()
		last := told[len(told)-1]
		mu.Unlock()
		want := "pushing to " + reg.host + "/ml/models/big"
		if !strings.HasPrefix(last, want) || !strings.HasSuffix(last, c.want) {
			t.Errorf("%s: told %q, last", name, told)
		}
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}
