// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// purposeOf is the purpose of the endpoint: the one given, for a new endpoint
// that of the compute, or the one it has.
func (w *deployment) purposeOf(now endpoint.Purpose, isNew bool) endpoint.Purpose {
	var standard endpoint.Purpose
	if isNew && w.compute != nil {
		standard = w.compute.Purpose
	}
	return cmp.Or(endpoint.Purpose(w.purpose), standard, now)
}

// onCompute is next, made of base, with what the compute says of load balancers
// and TLS.
func (w *deployment) onCompute(
	ctx context.Context, base, next chart.Values, isNew bool,
) (chart.Values, error) {
	if w.compute == nil {
		return next, nil
	}
	return w.balance(ctx, base, w.secure(next, isNew), isNew)
}

// secure has the routers show the certificate of the compute, or none if it has
// none. Somebody's own certificate stays, and so does everything in an update,
// because callers have to follow: TLS is another port.
func (w *deployment) secure(v chart.Values, isNew bool) chart.Values {
	now, wanted := v.TLS.ExistingSecret, w.compute.TLS
	switch {
	case v.Routing.Mode == chart.GatewayMode || w.plan.delta != nil,
		now != "" && now != compute.TLSSecret:
		return v
	case wanted.Secret != "" && w.session.Namespace != w.compute.Namespace:
		w.tell("warning: endpoint %s speaks plain HTTP: the certificate of compute %s is for namespace %s",
			w.name, w.compute.Name, w.compute.Namespace)
		return v
	}
	if !isNew && now != wanted.Secret {
		speaks := "TLS"
		if wanted.Secret == "" {
			speaks = "plain HTTP"
		}
		w.tell("note: endpoint %s speaks %s from now on, as compute %s says", w.name, speaks, w.compute.Name)
	}
	return v.WithTLS(wanted.Secret, wanted.Host)
}

// balance gives a load balancer what the compute says of them. An endpoint takes
// that when it becomes one, so that on a compute with internal addresses none
// gets a public one. An endpoint that is one keeps what it has, and whoever
// deploys is told if the compute says otherwise.
func (w *deployment) balance(
	ctx context.Context, base, next chart.Values, isNew bool,
) (chart.Values, error) {
	if !balanced(next) {
		return next, nil
	}
	wanted := w.compute.ServiceAnnotations()
	if !isNew && balanced(base) {
		if !agrees(next.Router.Service.Annotations, wanted) {
			w.tell("note: the load balancer of endpoint %[1]s is not as compute %[2]s says and stays as it is: "+
				"kubectl aml edit %[1]s changes router.service.annotations", w.name, w.compute.Name)
		}
		return next, nil
	}
	if err := w.dropTakenLabel(ctx, wanted); err != nil {
		return next, err
	}
	annotations := maps.Clone(wanted)
	maps.Copy(annotations, next.Router.Service.Annotations)
	if len(annotations) > 0 {
		next.Router.Service.Annotations = annotations
	}
	return next, nil
}

// balanced tells whether the Service of the endpoint is a load balancer.
func balanced(v chart.Values) bool {
	return v.Routing.Mode == chart.RouterMode && v.Router.Service.Type == loadBalancer
}

// agrees tells whether a load balancer is as internal as it is to be, and there.
func agrees(has, wanted map[string]string) bool {
	for _, key := range []string{compute.InternalAnnotation, compute.SubnetAnnotation} {
		if has[key] != wanted[key] {
			return false
		}
	}
	return true
}

// dropTakenLabel takes the name in Azure's DNS out of what a new load balancer
// gets if another endpoint has it: the name is that of one address.
func (w *deployment) dropTakenLabel(ctx context.Context, annotations map[string]string) error {
	label := annotations[compute.DNSLabelAnnotation]
	if label == "" {
		return nil
	}
	services, err := w.session.Kube.CoreV1().Services(w.session.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, s := range services.Items {
		if s.Name != w.name && s.Spec.Type == corev1.ServiceTypeLoadBalancer &&
			s.Annotations[compute.DNSLabelAnnotation] == label {
			delete(annotations, compute.DNSLabelAnnotation)
			w.tell("warning: the DNS label %q of compute %s is that of endpoint %s: endpoint %s gets none",
				label, w.compute.Name, s.Name, w.name)
			return nil
		}
	}
	return nil
}
