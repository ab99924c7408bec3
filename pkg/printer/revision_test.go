// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func TestARowOfTheHistoryTellsFewChanges(t *testing.T) {
	t.Parallel()
	change := func(version, field string) printer.RevisionChange {
		c := endpoint.Change{Version: version, Field: field, Before: "1", After: "2", Action: endpoint.Changed}
		return printer.RevisionChange{Change: c, Text: c.String()}
	}
	a, b, c, d, e := change("blue", "cpu"), change("blue", "memory"), change("green", "cpu"), change("", "purpose"),
		change("", "auth")
	for name, row := range map[string]struct {
		changes []printer.RevisionChange
		want    string
	}{
		"none":             {nil, "set up"},
		"of each version":  {[]printer.RevisionChange{a, b, c, d}, "version blue: cpu 1 → 2; memory 1 → 2; version green: cpu 1 → 2; purpose 1 → 2"},
		"more than a few":  {[]printer.RevisionChange{a, b, c, d, e}, "version blue: cpu 1 → 2; memory 1 → 2; version green: cpu 1 → 2; and 2 more"},
		"of the endpoint":  {[]printer.RevisionChange{d, e}, "purpose 1 → 2; auth 1 → 2"},
		"first and then a": {[]printer.RevisionChange{d, a}, "purpose 1 → 2; version blue: cpu 1 → 2"},
	} {
		var out bytes.Buffer
		err := printer.Revisions([]printer.Revision{{Revision: 7, Updated: time.Unix(0, 0), Status: "deployed", Chart: "1.0.0",
			Description: "set\n up", Changes: row.changes}}).Print(&out, &out, printer.Table)
		_, line, _ := strings.Cut(out.String(), "\n")
		want := "7          1970-01-01T00:00:00Z   deployed   <none>   1.0.0   <none>    " + row.want + "\n"
		if err != nil || line != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, line, want)
		}
	}
}
