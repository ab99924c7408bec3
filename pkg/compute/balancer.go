// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

// The annotations by which a Service of type LoadBalancer tells Azure what it is
// to get (https://learn.microsoft.com/azure/aks/load-balancer-standard and
// https://learn.microsoft.com/azure/aks/internal-lb).
const (
	InternalAnnotation = "service.beta.kubernetes.io/azure-load-balancer-internal"
	SubnetAnnotation   = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet"
	DNSLabelAnnotation = "service.beta.kubernetes.io/azure-dns-label-name"
)

// ServiceAnnotations are those that the Service of an endpoint has when it is a
// load balancer of this compute. A name in the DNS of Azure is for public
// addresses only.
func (a Attachment) ServiceAnnotations() map[string]string {
	annotations := map[string]string{}
	switch {
	case a.LoadBalancer.Type == Internal:
		annotations[InternalAnnotation] = "true"
		if a.LoadBalancer.Subnet != "" {
			annotations[SubnetAnnotation] = a.LoadBalancer.Subnet
		}
	case a.TLS.DNSLabel != "":
		annotations[DNSLabelAnnotation] = a.TLS.DNSLabel
	}
	return annotations
}
