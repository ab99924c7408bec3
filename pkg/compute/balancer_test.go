// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"maps"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

func TestServiceAnnotations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of   compute.Attachment
		want map[string]string
	}{
		"nothing is asked for": {compute.Attachment{}, map[string]string{}},
		"public":               {compute.Attachment{LoadBalancer: compute.LoadBalancer{Type: compute.PublicIP}}, map[string]string{}},
		"a name in the DNS": {compute.Attachment{TLS: compute.TLS{DNSLabel: "lab"}},
			map[string]string{compute.DNSLabelAnnotation: "lab"}},
		"internal, in the nodes' subnet": {compute.Attachment{LoadBalancer: compute.LoadBalancer{Type: compute.Internal}},
			map[string]string{compute.InternalAnnotation: "true"}},
		"internal, in a subnet": {
			compute.Attachment{LoadBalancer: compute.LoadBalancer{Type: compute.Internal, Subnet: "aks-subnet"}},
			map[string]string{compute.InternalAnnotation: "true", compute.SubnetAnnotation: "aks-subnet"}},
		"an internal address has no public name": {
			compute.Attachment{LoadBalancer: compute.LoadBalancer{Type: compute.Internal}, TLS: compute.TLS{DNSLabel: "lab"}},
			map[string]string{compute.InternalAnnotation: "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.of.ServiceAnnotations(); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
