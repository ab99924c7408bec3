// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A claim that was never written does not stay, and one that no registry deletes does.
func TestClaimsThatStayAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused []string
		told    bool
	}{
		"nothing is written":     {[]string{http.MethodPost, http.MethodPut, http.MethodDelete}, false},
		"no manifest is written": {[]string{http.MethodPut, http.MethodDelete}, false},
		"nothing is deleted":     {[]string{http.MethodDelete}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			var told []string
			models.Options.Log = func(line string) { told = append(told, line) }
			reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
				if !slices.Contains(c.refused, r.Method) {
					return false
				}
				w.WriteHeader(http.StatusMethodNotAllowed)
				return true
			})
			_, err := models.Register(t.Context(), "sentiment", filepath.Join(dir, "model.pkl"), ModelInfo{})
			equal(t, "registered", err == nil, c.told)
			stays := slices.ContainsFunc(told, func(line string) bool {
				return strings.HasSuffix(line, "stays in "+reg.host+"/ml/models/sentiment and does no harm")
			})
			equal(t, "told", stays, c.told)
		})
	}
}
