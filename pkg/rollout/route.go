// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
)

// refusalGrace is how long a controller may refuse a route before that counts:
// it may have seen the route before the Services that the route names.
const refusalGrace = 10 * time.Second

// gatewayGroup is the version of the Gateway API that is spoken here.
const gatewayGroup, gatewayVersion = "gateway.networking.k8s.io", "v1"

// GatewayName names a Gateway, and a listener of it if not all are meant.
type GatewayName struct {
	Namespace, Name, Listener string
}

// String is NAMESPACE/NAME.
func (n GatewayName) String() string { return n.Namespace + "/" + n.Name }

// Route is an endpoint's HTTPRoute with what the controller of its Gateway says.
type Route struct {
	Gateway   GatewayName
	Hostnames []string
	// InForce says that the newest change is accepted and all that it names is
	// found; Refused that the controller has seen it and does not take it.
	InForce, Refused bool
	// Reason is one word and Message a clause on why it is not in force.
	Reason, Message string
}

// httpRoute is what of an HTTPRoute is read here.
type httpRoute struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ParentRefs []parentRef `json:"parentRefs"`
		Hostnames  []string    `json:"hostnames"`
	} `json:"spec"`
	Status struct {
		Parents []struct {
			ParentRef  parentRef          `json:"parentRef"`
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"parents"`
	} `json:"status"`
}

type parentRef struct {
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	SectionName string `json:"sectionName"`
}

func (p parentRef) in(namespace string) GatewayName {
	if p.Namespace != "" {
		namespace = p.Namespace
	}
	return GatewayName{Namespace: namespace, Name: p.Name, Listener: p.SectionName}
}

// FindRoute reads the HTTPRoute of an endpoint. It needs the right to get
// httproutes in the namespace.
func FindRoute(ctx context.Context, client dynamic.Interface, namespace, endpoint string) (Route, error) {
	var read httpRoute
	if err := get(ctx, client, "httproutes", namespace, endpoint, &read); err != nil {
		return Route{}, fmt.Errorf("read the HTTPRoute of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	return read.route()
}

// get reads an object of the Gateway API.
func get(ctx context.Context, client dynamic.Interface, resource, namespace, name string, into any) error {
	kind := schema.GroupVersionResource{Group: gatewayGroup, Version: gatewayVersion, Resource: resource}
	object, err := client.Resource(kind).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into)
}

// route judges what the controllers say of the one Gateway that an endpoint has.
func (h httpRoute) route() (Route, error) {
	if len(h.Spec.ParentRefs) != 1 {
		return Route{}, fmt.Errorf("HTTPRoute %s/%s belongs to %d gateways, not to one: deploy the endpoint again",
			h.Namespace, h.Name, len(h.Spec.ParentRefs))
	}
	r := Route{Gateway: h.Spec.ParentRefs[0].in(h.Namespace), Hostnames: h.Spec.Hostnames}
	r.Reason = "Pending"
	r.Message = fmt.Sprintf("no controller has taken up the HTTPRoute for Gateway %s: see whether the Gateway is there "+
		"and a controller serves its class", r.Gateway)
	for _, parent := range h.Status.Parents {
		if parent.ParentRef.in(h.Namespace) != r.Gateway {
			continue
		}
		if r.judge(parent.Conditions, h.Generation); r.InForce {
			break
		}
	}
	return r, nil
}

// judge takes over what one controller says.
func (r *Route) judge(conditions []metav1.Condition, generation int64) {
	said := map[string]metav1.Condition{}
	for _, c := range conditions {
		said[c.Type] = c
	}
	for _, kind := range []string{"Accepted", "ResolvedRefs"} {
		c, ok := said[kind]
		switch {
		case !ok || c.ObservedGeneration < generation:
			r.Refused, r.Reason = false, "Pending"
			r.Message = fmt.Sprintf("the controller of Gateway %s has not taken up the newest change yet", r.Gateway)
			return
		case c.Status != metav1.ConditionTrue:
			r.Refused, r.Reason = true, c.Reason
			r.Message = fmt.Sprintf("Gateway %s does not take the HTTPRoute: %s is %s (%s): %s",
				r.Gateway, kind, c.Status, c.Reason, c.Message)
			return
		}
	}
	r.InForce, r.Refused, r.Reason, r.Message = true, false, "", ""
}

// ConfirmRouteOptions say whose HTTPRoute is to be in force.
type ConfirmRouteOptions struct {
	Client              dynamic.Interface
	Namespace, Endpoint string
	// Timeout is DefaultConfirmTimeout if zero.
	Timeout time.Duration
	// Clock is the real one if nil.
	Clock clock.Clock
}

// ConfirmRoute returns nil once the controller of the endpoint's Gateway has
// accepted the HTTPRoute as it is now and found all that it names. It returns a
// *RouteError as soon as the controller refuses it for 10 seconds, or when the
// time is up, and at once the API server's error if that forbids reading it.
func ConfirmRoute(ctx context.Context, o ConfirmRouteOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultConfirmTimeout
	}
	start := o.Clock.Now()
	var refused time.Time
	for {
		route, err := FindRoute(ctx, o.Client, o.Namespace, o.Endpoint)
		if err == nil && route.InForce || err != nil && (forbidden(err) || apierrors.IsNotFound(err)) {
			return err
		}
		now := o.Clock.Now()
		if !route.Refused {
			refused = time.Time{}
		} else if refused.IsZero() {
			refused = now
		}
		over := now.Sub(start) >= o.Timeout || route.Refused && now.Sub(refused) >= refusalGrace
		if ctx.Err() != nil || over {
			return &RouteError{Route: route, Cause: err}
		}
		select {
		case <-ctx.Done():
		case <-o.Clock.After(askEvery):
		}
	}
}

// RouteError says that an HTTPRoute is not in force.
type RouteError struct {
	// Route is how it was found last.
	Route Route
	// Cause is set if it could not be read.
	Cause error
}

// Error says what holds the route up.
func (e *RouteError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("it is not known whether the gateway has taken the change up: %v", e.Cause)
	}
	return e.Route.Message
}

// Unwrap returns why the route could not be read.
func (e *RouteError) Unwrap() error { return e.Cause }
