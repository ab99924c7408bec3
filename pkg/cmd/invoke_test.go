// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

func TestAScriptThatRaisesIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	o := &options{Env: Env{Dir: t.TempDir()}}
	if err := os.WriteFile(filepath.Join(o.Dir, "sample.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ raised, data, want string }{
		"run raised": {"True", `{"rows": [1]}`, "the endpoint answered 502: no: see kubectl aml logs diabetes"},
		"the name of a file": {"True", "sample.json", `the endpoint answered 502: no: it was sent the text "sample.json": ` +
			"write -d @sample.json to send the file"},
		"a file":       {"True", "@sample.json", "the endpoint answered 502: no: see kubectl aml logs diabetes"},
		"no data":      {"True", "", "the endpoint answered 502: no: see kubectl aml logs diabetes"},
		"another 502s": {"", "sample.json", "the endpoint answered 502: no"},
		"run answered": {"False", "sample.json", "the endpoint answered 502: no"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.raised != "" {
				w.Header().Set(raisedHeader, c.raised)
			}
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("no\n"))
		}))
		request := rollout.Request{URL: server.URL, Header: http.Header{}}
		err := o.advised(o.call(t.Context(), server.Client(), request, 1), "diabetes", c.data)
		server.Close()
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
