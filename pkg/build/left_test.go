// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What is older than a day goes, by the engine's clock, and nothing else does.
func TestWhatKilledBuildsLeftIsRemoved(t *testing.T) {
	t.Parallel()
	d := newDockerd(t)
	images := map[string]struct{ tagged, tags string }{
		"sha256:old":   {"2026-02-02T03:00:00Z", `"kubectl-aml-build/old:latest", "mine:1"`},
		"sha256:used":  {"2026-02-01T03:00:00Z", `"kubectl-aml-build/used:latest"`},
		"sha256:young": {"2026-02-03T03:00:00Z", `"kubectl-aml-build/young:latest"`},
		"sha256:never": {"0001-01-01T00:00:00Z", `"kubectl-aml-build/never:latest"`},
	}
	var mu sync.Mutex
	var removed, said []string
	d.answers["/images/json"] = func(w http.ResponseWriter, r *http.Request) {
		if filter := r.URL.Query().Get("filters"); filter != `{"reference":{"kubectl-aml-build/*":true}}` {
			t.Errorf("asked for %s", filter)
		}
		_, _ = io.WriteString(w, `[{"Id": "sha256:never"}, {"Id": "sha256:old"}, {"Id": "sha256:used"}, {"Id": "sha256:young"}]`)
	}
	for id, image := range images {
		d.answers["/images/"+id+"/json"] = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Id": %q, "RepoTags": [%s], "Metadata": {"LastTagTime": %q}}`, id, image.tags, image.tagged)
		}
	}
	for _, name := range []string{"old", "used", "young", "never"} {
		d.answers["/images/kubectl-aml-build/"+name+":latest"] = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete || r.URL.Query().Has("force") {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			if name == "used" {
				w.WriteHeader(http.StatusConflict)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			removed = append(removed, path.Base(r.URL.Path))
			_, _ = io.WriteString(w, "[]")
		}
	}
	b, err := Engine(t.Context(), func(name string) string {
		return map[string]string{"DOCKER_HOST": "unix://" + d.socket(), "DOCKER_CONFIG": t.TempDir()}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	b.(*engine).sweep(t.Context(), Request{Log: func(line string) { said = append(said, line) }})
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(removed, []string{"old:latest"}) || len(said) != 1 ||
		!strings.HasPrefix(said[0], "removed kubectl-aml-build/old:latest, ") {
		t.Errorf("removed %q and told %q", removed, said)
	}
}
