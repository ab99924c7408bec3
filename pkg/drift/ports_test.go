// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift_test

import (
	"slices"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// Two ports of one name are what the API server refuses.
func TestAPortWithAnotherNumberIsSetBack(t *testing.T) {
	t.Parallel()
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: echo}\n" +
		"spec: {ports: [{name: http, port: 80, targetPort: http}]}\n"
	withPort := func(content, number string) string {
		return edit(t, content, "image: echo:1", "image: echo:1\n        ports: [{name: http, containerPort: "+number+"}]")
	}
	for name, c := range map[string]struct{ manifest, there, want string }{
		"a service": {service, edit(t, service, "port: 80", "port: 81"),
			"service echo has ports[http].port 81 where revision 7 says 80: it is set back"},
		"a container": {withPort(deployment, "5001"), withPort(live, "5002"),
			"deployment echo-blue has containers[scoring].ports[http].containerPort 5002 where revision 7 says 5001: " +
				"it is set back"},
		"one more that somebody put beside it": {service,
			edit(t, service, "ports: [", "ports: [{name: mine, port: 90, targetPort: http}, "), ""},
	} {
		o := object(t, c.manifest, c.there, c.manifest)
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		if got := told(drift.ByHand([]drift.Object{o}, 7, true)); !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", name, got, want)
		}
	}
}
