// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// placeFlags say what the endpoint around a version is like.
type placeFlags struct {
	purpose, serviceType string
	gateway              string
	routerImage, limiter string
	schedulingGrace      time.Duration
	// given tells which flags were; nil for a command that has none of these.
	given *pflag.FlagSet
}

// grace is how long a pod that fits on no node is waited for.
const grace = time.Minute

func (p *placeFlags) add(c *cobra.Command, getenv func(string) string, standard string) {
	f := c.Flags()
	p.given = f
	f.StringVar(&p.purpose, "purpose", "", "DevTest (one router) or FastProd (two, spread over nodes); kept if not given")
	f.StringVar(&p.serviceType, "service-type", getenv("AML_SERVICE_TYPE"), "How the endpoint is reached: ClusterIP "+
		"(from inside the cluster), NodePort or LoadBalancer; kept if not given, for a new endpoint "+standard+
		" (default: $AML_SERVICE_TYPE)")
	f.StringVar(&p.gateway, "gateway", "", "Gateway, [NAMESPACE/]NAME, that splits the requests instead of a router; "+
		"it asks for no keys. Kept if not given; "+noGateway+" goes back to a router")
	f.StringVar(&p.routerImage, "router-image", getenv("AML_ROUTER_IMAGE"), "Envoy image instead of the chart's")
	f.StringVar(&p.limiter, "limiter-image", getenv("AML_LIMITER_IMAGE"), "HAProxy image instead of the chart's")
}

// addGrace gives c the flag of commands that wait for pods.
func (p *placeFlags) addGrace(c *cobra.Command) {
	c.Flags().DurationVar(&p.schedulingGrace, "scheduling-grace", grace,
		"How long a pod that fits on no node is waited for, unless the cluster is being scaled up")
}

// The types of the Service that clients reach.
const (
	clusterIP    = "ClusterIP"
	loadBalancer = "LoadBalancer"
)

func (p *placeFlags) check() error {
	if err := p.checkGateway(); err != nil {
		return err
	}
	if p.serviceType == "" || slices.Contains([]string{clusterIP, "NodePort", loadBalancer}, p.serviceType) {
		return nil
	}
	return usageError{fmt.Errorf("service type %q is not known: write ClusterIP, NodePort or LoadBalancer", p.serviceType)}
}

// set puts what was given into the values.
func (p *placeFlags) set(values chart.Values) chart.Values {
	for _, f := range []struct {
		to    *string
		value string
	}{
		{&values.Router.Image, p.routerImage}, {&values.Limiter.Image, p.limiter},
	} {
		if f.value != "" {
			*f.to = f.value
		}
	}
	values = p.route(values)
	if p.serviceType != "" && values.Routing.Mode == chart.RouterMode {
		values.Router.Service.Type = p.serviceType
	}
	return values
}

// alone is e with one of its versions only, or with none if it is not there.
// What was control or default before is so no longer.
func alone(e endpoint.Endpoint, name string) endpoint.Endpoint {
	next := e.Clone()
	for _, other := range next.VersionNames() {
		if other != name {
			delete(next.Versions, other)
		}
	}
	if _, ok := next.Versions[name]; !ok || next.Control != name {
		next.Control = ""
	}
	next.Default = name
	return next
}

// errGone is for an endpoint that was there a moment ago.
func errGone(name string) error {
	return fmt.Errorf("endpoint %q was deleted meanwhile: deploy it again", name)
}

// errNothing says that a command that changes something was given nothing.
var errNothing = usageError{errors.New("nothing to change: give at least one flag that says what")}
