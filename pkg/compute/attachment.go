// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package compute is where endpoints live: a cluster with the record of its
// attachment, and the context of a kubeconfig that leads to it. It knows
// nothing of any cloud.
package compute

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Provider says where a cluster comes from.
type Provider string

// The providers of clusters.
const (
	// AKS is a cluster of Azure Kubernetes Service; it has a ResourceID.
	AKS Provider = "aks"
	// Kind is a cluster on somebody's own machine.
	Kind Provider = "kind"
	// Kubernetes is any other cluster.
	Kubernetes Provider = "kubernetes"
)

// BalancerType says who can reach the load balancer of an endpoint. The names
// are Azure ML's.
type BalancerType string

// The types of load balancers.
const (
	// PublicIP is reached from everywhere.
	PublicIP BalancerType = "PublicIp"
	// Internal is reached from the virtual network of the cluster.
	Internal BalancerType = "InternalLoadBalancer"
)

// LoadBalancer says how the endpoints of a compute are reached from outside.
type LoadBalancer struct {
	Type BalancerType `json:"type,omitempty"`
	// Subnet is where an internal load balancer gets its address; empty for the
	// nodes' own.
	Subnet string `json:"subnet,omitempty"`
}

// TLS says which certificate the endpoints of a compute show.
type TLS struct {
	// Host is the name that the certificate is for.
	Host string `json:"host,omitempty"`
	// Secret is the name of the Secret, in the compute's namespace, with tls.crt
	// and tls.key. Empty: the endpoints speak plain HTTP.
	Secret string `json:"secret,omitempty"`
	// Issuer is the ClusterIssuer of cert-manager that renews the Secret; empty
	// for a certificate that somebody brought.
	Issuer string `json:"issuer,omitempty"`
	// DNSLabel is the label by which Azure names the public address:
	// DNSLabel.REGION.cloudapp.azure.com.
	DNSLabel string `json:"dnsLabel,omitempty"`
	// Expires is when the certificate that somebody brought ends.
	Expires *time.Time `json:"expires,omitempty"`
}

// APIVersion is the form of the record that this package writes.
const APIVersion = "aml.dev/v1"

// Attachment says how a cluster is used as a compute. It holds no secrets: all
// users of the cluster may read it.
type Attachment struct {
	APIVersion string           `json:"apiVersion"`
	Name       string           `json:"name"`
	Provider   Provider         `json:"provider"`
	Purpose    endpoint.Purpose `json:"purpose"`
	// ResourceID is the cluster's id in Azure, in the form that Azure gave it.
	ResourceID string `json:"resourceId,omitempty"`
	// KindCluster is the name that kind knows the cluster by.
	KindCluster string `json:"kindCluster,omitempty"`
	// ClusterUID is the UID of the namespace kube-system, which no two clusters
	// share.
	ClusterUID types.UID `json:"clusterUID"`
	// Created says that the cluster was made for this compute, and goes with it.
	Created bool `json:"created,omitempty"`
	// Namespace is where the endpoints are.
	Namespace    string       `json:"namespace"`
	LoadBalancer LoadBalancer `json:"loadBalancer,omitzero"`
	TLS          TLS          `json:"tls,omitzero"`
	// AttachedBy is who the cluster says the user is.
	AttachedBy string `json:"attachedBy"`
	// AttachedFrom is the USER@MACHINE that attached it.
	AttachedFrom string    `json:"attachedFrom"`
	AttachedAt   time.Time `json:"attachedAt"`
	ToolVersion  string    `json:"toolVersion"`
}

// CheckName refuses what Azure ML v1 refused as the name of a compute: 3 to 24
// letters, digits and "-", a letter first, and a letter or a digit last.
func CheckName(name string) error {
	if regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$`).MatchString(name) {
		return nil
	}
	return fmt.Errorf("compute name %q: write 3 to 24 letters, digits and -, a letter first, a letter or digit last", name)
}

// ParsePurpose reads a purpose as Azure ML v1 wrote it anywhere: FastProd,
// FAST_PROD, fast-prod.
func ParsePurpose(s string) (endpoint.Purpose, error) {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)) {
	case "fastprod":
		return endpoint.FastProd, nil
	case "devtest":
		return endpoint.DevTest, nil
	case "denseprod":
		return "", errors.New("cluster purpose DenseProd was never supported by Azure ML's SDK v1: write FastProd or DevTest")
	}
	return "", fmt.Errorf("cluster purpose %q: write FastProd or DevTest", s)
}

// ParseLoadBalancer reads a type and a subnet as Azure ML v1 took them: one of two
// types, and a subnet for the internal one only.
func ParseLoadBalancer(kind, subnet string) (LoadBalancer, error) {
	b := LoadBalancer{Subnet: subnet}
	switch {
	case strings.EqualFold(kind, string(PublicIP)):
		b.Type = PublicIP
	case strings.EqualFold(kind, string(Internal)):
		b.Type = Internal
	default:
		return b, fmt.Errorf("load balancer type %q: write %s or %s", kind, PublicIP, Internal)
	}
	if subnet != "" && b.Type != Internal {
		return b, fmt.Errorf("load balancer subnet %q: only with --load-balancer-type %s", subnet, Internal)
	}
	return b, nil
}
