// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Lacking is what the caller may not do in the namespace of the endpoints, as in
// "create secrets".
type Lacking struct {
	// Deploy is needed to deploy, Look to call, read and watch what is deployed,
	// Gateway for --gateway.
	Deploy, Look, Gateway []string
}

// attachment compares the record with what the kubeconfig knows.
func (f Facts) attachment() Check {
	const check = "attachment"
	r := f.Record.Value
	switch err := f.Record.Err; {
	case errors.Is(err, ErrNotAttached) && f.Known != nil:
		return failed(check, "the cluster has no record of an attachment: somebody has detached it",
			fmt.Sprintf("attach it again, or forget it: kubectl aml compute detach -n %s --local-only", f.Known.Name))
	case errors.Is(err, ErrNotAttached):
		return warned(check, "not attached: nobody is told who uses the cluster, and what for",
			"kubectl aml compute attach kubernetes -n NAME")
	case apierrors.IsForbidden(err) || isDenied(err):
		return unsure(check, "get configmaps in the namespace "+SystemNamespace, err)
	case err != nil:
		return Check{check, Unsure, "not known: " + told(err), "try again"}
	case f.Known != nil && f.Known.AttachmentUID != r.UID:
		return failed(check, "the kubeconfig knows an attachment that is gone: the cluster was attached anew as "+
			r.told(), fmt.Sprintf("forget the old one: kubectl aml compute detach -n %s --local-only", f.Known.Name))
	case f.Known == nil:
		return good(check, r.told()+"; this context does not say so")
	}
	return good(check, r.told())
}

// tls judges the certificate in the cluster, not what the record says of it.
func (f Facts) tls() Check {
	const check = "tls"
	t := f.Record.Value.TLS
	secret := f.Record.Value.Namespace + "/" + t.Secret
	renew := fmt.Sprintf("bring a new one: kubectl aml compute update-ssl %s --ssl-cname %s --ssl-cert-file FILE "+
		"--ssl-key-file FILE", f.Record.Value.Name, t.Host)
	if t.Issuer != "" {
		renew = "see what cert-manager says: kubectl -n " + f.Record.Value.Namespace + " describe certificate"
	}
	switch err := f.Certificate.Err; {
	case f.Record.Err != nil && !errors.Is(f.Record.Err, ErrNotAttached):
		return unsure(check, "get configmaps in the namespace "+SystemNamespace, f.Record.Err)
	case t.Secret == "":
		return good(check, "none: endpoints speak plain HTTP")
	case apierrors.IsNotFound(err):
		return failed(check, "there is no secret "+secret+": endpoints with TLS do not start", renew)
	case err != nil:
		return unsure(check, "get the secret "+secret, err)
	}
	leaf, err := f.Certificate.Value.leaf()
	if err != nil {
		return failed(check, err.Error(), renew)
	}
	ends, err := f.Certificate.Value.Check(t.Host, f.Now)
	if err != nil {
		return failed(check, strings.ReplaceAll(err.Error(), "\n", "; "), renew)
	}
	finding := "for " + t.Host + " until " + ends.UTC().Format(time.DateOnly)
	if ends.Sub(f.Now) < soon(t, ends.Sub(leaf.NotBefore)) {
		return warned(check, fmt.Sprintf("%s, in %s", finding, plural(int(ends.Sub(f.Now).Hours()/24), "day")), renew)
	}
	return good(check, finding)
}

// soon is how long before its end a certificate is worth a warning: cert-manager
// renews when a third of its time is left, so one of an issuer is late with less.
func soon(t TLS, lifetime time.Duration) time.Duration {
	const month = 30 * 24 * time.Hour
	if t.Issuer != "" {
		return min(month, lifetime/4)
	}
	return month
}

func (f Facts) rights() Check {
	const check = "rights"
	if f.Rights.Err != nil {
		return unsure(check, "ask what you may do", f.Rights.Err)
	}
	lacks := f.Rights.Value
	in := " in the namespace " + f.Namespace
	remedy := "ask for them; the ClusterRole edit, bound in the namespace, has what a deploy needs"
	switch {
	case len(lacks.Deploy) > 0:
		return failed(check, "you may not "+several(slices.Concat(lacks.Deploy, lacks.Look))+in, remedy)
	case len(lacks.Look) > 0:
		return warned(check, "you may deploy, but not "+several(lacks.Look)+in, remedy)
	case len(lacks.Gateway) > 0 && f.has(groupGateway):
		return warned(check, "you may deploy, but not with --gateway: not "+several(lacks.Gateway)+in,
			"ask for them if you use a gateway")
	}
	return good(check, "all that deploying takes"+in)
}

// security is good at every level: all pods of an endpoint keep to the strictest.
func (f Facts) security() Check {
	const check, label = "pod-security", "pod-security.kubernetes.io/enforce"
	switch err := f.Space.Err; {
	case apierrors.IsNotFound(err):
		return failed(check, "there is no namespace "+f.Namespace, "kubectl create namespace "+f.Namespace)
	case err != nil:
		return unsure(check, "get the namespace "+f.Namespace, err)
	}
	level := f.Space.Value.Labels[label]
	switch level {
	case "":
		return good(check, "no level is enforced in the namespace "+f.Namespace)
	case "privileged", "baseline", "restricted":
		return good(check, level+", which endpoints keep to")
	}
	return warned(check, fmt.Sprintf("the level %q is none, so restricted is enforced", level),
		"kubectl label namespace "+f.Namespace+" --overwrite "+label+"=restricted")
}
