// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// What takes long says how far it is, every few seconds; what is quick says nothing.
func TestALongWriteSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	for what, takes := range map[string]time.Duration{"a long one": time.Minute, "a quick one": time.Millisecond} {
		now := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		var told []string
		o := image.Options{Clock: now, Log: func(line string) { told = append(told, line) }}
		e := s.endpoint(names, "")
		s.spoils(func(http.ResponseWriter, *http.Request) bool {
			now.Step(takes)
			return false
		})
		file := filepath.Join(t.TempDir(), "b.tar")
		must(Write(t.Context(), must(image.NewCourier(t.Context(), o)), e, file, false))
		s.spoils(nil)
		written := len(told)
		b := opened(t, file)
		must(0, b.Verify(t.Context(), stepping{now, takes, o.Meter("checking b.tar", b.Size)}))
		if takes < time.Second {
			if len(told) > 0 {
				t.Errorf("%s: told %q", what, told)
			}
			continue
		}
		if written == 0 || len(told) == written {
			t.Fatalf("%s: told %q", what, told)
		}
		for i, line := range told {
			doing := "writing b.tar: 0.0 of 0.0 MB"
			if i >= written {
				doing = "checking b.tar: 0.0 of 0.1 MB"
			}
			if line != doing {
				t.Errorf("%s: told %q, want %q", what, line, doing)
			}
		}
	}
}

// stepping takes its time.
type stepping struct {
	clock *clocktesting.FakeClock
	takes time.Duration
	to    io.Writer
}

func (s stepping) Write(p []byte) (int, error) {
	s.clock.Step(s.takes)
	return s.to.Write(p)
}
