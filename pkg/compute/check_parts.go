// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The groups of the API of what endpoints can make use of.
const (
	groupGateway     = "gateway.networking.k8s.io"
	groupKEDA        = "keda.sh"
	groupMetrics     = "metrics.k8s.io"
	groupCertManager = "cert-manager.io"
)

// GatewayClass is a class of gateways, and whether something serves it.
type GatewayClass struct {
	Name     string
	Accepted bool
}

// has tells whether the cluster serves a group.
func (f Facts) has(group string) bool { return slices.Contains(f.Groups.Value, group) }

func (f Facts) storage() Check {
	const check, marked = "storage-class", "storageclass.kubernetes.io/is-default-class"
	if f.StorageClasses.Err != nil {
		return unsure(check, "list storageclasses.storage.k8s.io", f.StorageClasses.Err)
	}
	var defaults []string
	for _, c := range f.StorageClasses.Value {
		if c.Annotations[marked] == "true" {
			defaults = append(defaults, c.Name)
		}
	}
	switch len(defaults) {
	case 0:
		return warned(check, "no StorageClass is the default: volumes that name none are never made",
			"mark one: kubectl annotate storageclass NAME "+marked+"=true")
	case 1:
		return good(check, defaults[0])
	}
	return warned(check, "several are the default, and the newest is used: "+several(defaults),
		"keep one: kubectl annotate storageclass NAME "+marked+"-")
}

// gateway is good without a Gateway API: endpoints bring a router of their own.
func (f Facts) gateway() Check {
	const check = "gateway"
	switch {
	case f.Groups.Err != nil:
		return unsure(check, "ask which APIs the cluster has", f.Groups.Err)
	case !f.has(groupGateway):
		return good(check, "no Gateway API: endpoints use their own router, and --gateway is not for this cluster")
	case f.GatewayClasses.Err != nil:
		return unsure(check, "list gatewayclasses."+groupGateway, f.GatewayClasses.Err)
	}
	var served, idle []string
	for _, c := range f.GatewayClasses.Value {
		if c.Accepted {
			served = append(served, c.Name)
		} else {
			idle = append(idle, c.Name)
		}
	}
	switch {
	case len(served) > 0:
		return good(check, "classes "+several(served))
	case len(idle) > 0:
		return warned(check, "nothing serves the classes "+several(idle),
			"see whether their controller runs: kubectl describe gatewayclass "+idle[0])
	}
	return warned(check, "the Gateway API is there, and no class of gateways",
		"install a controller before using --gateway")
}

// keda is good without KEDA: replicas follow the CPU.
func (f Facts) keda() Check {
	const check = "keda"
	switch {
	case f.Groups.Err != nil:
		return unsure(check, "ask which APIs the cluster has", f.Groups.Err)
	case f.has(groupKEDA):
		return good(check, "installed")
	}
	return good(check, "not installed: replicas follow the CPU alone, which needs no KEDA")
}

func (f Facts) metrics() Check {
	const check, without = "metrics-server", "autoscaled replicas stay as many as they are"
	const remedy = "install metrics-server; on AKS it is there, see " +
		"kubectl -n kube-system get pods -l k8s-app=metrics-server"
	switch {
	case f.Groups.Err != nil:
		return unsure(check, "ask which APIs the cluster has", f.Groups.Err)
	case !f.has(groupMetrics):
		return warned(check, "not installed: "+without, remedy)
	case f.Metrics.Err == nil:
		return good(check, "answers")
	case apierrors.IsServiceUnavailable(f.Metrics.Err) || apierrors.IsNotFound(f.Metrics.Err):
		return failed(check, "installed, but gives no answer: "+without,
			"see why: kubectl describe apiservice v1beta1."+groupMetrics)
	}
	return unsure(check, "list pods."+groupMetrics+" in the namespace "+f.Namespace, f.Metrics.Err)
}

// certManager is asked for computes whose certificate is of an issuer.
func (f Facts) certManager() Check {
	const check = "cert-manager"
	issuer := f.Record.Value.TLS.Issuer
	bring := "or bring a certificate: kubectl aml compute update-ssl " + f.Record.Value.Name +
		" --ssl-cname HOST --ssl-cert-file FILE --ssl-key-file FILE"
	switch {
	case f.Groups.Err != nil:
		return unsure(check, "ask which APIs the cluster has", f.Groups.Err)
	case !f.has(groupCertManager):
		return failed(check, "not installed, and issuer "+issuer+" is to renew the certificate",
			"install cert-manager, "+bring)
	case apierrors.IsNotFound(f.Ready.Err):
		return failed(check, "there is no ClusterIssuer "+issuer+", which is to renew the certificate", "make it, "+bring)
	case f.Ready.Err != nil:
		return unsure(check, "get clusterissuers."+groupCertManager, f.Ready.Err)
	case !f.Ready.Value:
		return failed(check, "issuer "+issuer+", which is to renew the certificate, is not ready",
			"see why: kubectl describe clusterissuer "+issuer)
	}
	return good(check, "installed, with the issuer "+issuer)
}

// legacy warns of what Azure ML v1 left.
func (f Facts) legacy() Check {
	const check = "azureml-fe"
	found := f.Leftovers.Value
	switch {
	case f.Leftovers.Err != nil:
		return unsure(check, "look for what Azure ML v1 left", f.Leftovers.Err)
	case len(found.Found) > 0:
		var names, lines []string
		for _, l := range found.Found {
			names = append(names, l.Resource+"/"+l.Name)
			lines = append(lines, l.Delete())
		}
		return warned(check, "Azure ML v1 left "+strings.Join(names, ", "),
			"when nothing uses it any more: "+strings.Join(lines, " && "))
	case len(found.Hidden) > 0:
		var rights []string
		for _, l := range found.Hidden {
			rights = append(rights, l.get())
		}
		right := strings.Join(rights, ", ")
		return Check{check, Unsure, "not known: you may not " + right,
			"ask whoever runs the cluster for the right to " + right}
	}
	return good(check, "nothing is left of Azure ML v1")
}
