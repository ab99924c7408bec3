// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// noGateway is what --gateway is given to go back to the endpoint's own router.
const noGateway = "none"

// byGateway tells whether a Gateway splits the requests, and no router.
func (d deployed) byGateway() bool { return d.values.Routing.Mode == chart.GatewayMode }

// gateway is the one that splits the requests.
func (d deployed) gateway(namespace string) rollout.GatewayName {
	g := d.values.Routing.Gateway
	return rollout.GatewayName{Namespace: cmp.Or(g.Namespace, namespace), Name: g.Name, Listener: g.SectionName}
}

// route changes what splits the requests to what --gateway says. The type of the
// router's Service goes with the router.
func (p *placeFlags) route(values chart.Values) chart.Values {
	switch p.gateway {
	case "":
	case noGateway:
		values.Routing = chart.RoutingValues{Mode: chart.RouterMode, Gateway: chart.GatewayValues{Hostnames: []string{}}}
	default:
		name, _ := rollout.ParseGatewayName(p.gateway, "") // check has read it
		if values.Routing.Gateway.Name != name.Name || values.Routing.Gateway.Namespace != name.Namespace {
			values.Routing.Gateway.SectionName = "" // that of another
		}
		values.Routing.Mode = chart.GatewayMode
		values.Routing.Gateway.Name, values.Routing.Gateway.Namespace = name.Name, name.Namespace
		values.Router.Service.Type = clusterIP
	}
	return values
}

// checkGateway refuses a --gateway that names none.
func (p *placeFlags) checkGateway() error {
	if p.gateway == "" {
		return nil
	}
	if _, err := rollout.ParseGatewayName(p.gateway, ""); err != nil {
		return usageError{err}
	}
	return nil
}

// admitGateway refuses, before anything is built or pushed, a deployment that the
// Gateway it goes to could not serve.
func (o *options) admitGateway(ctx context.Context, s *Session, p *plan, f *deployFlags) error {
	now, err := s.endpoint(ctx, p.endpoint)
	exists := err == nil
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return err
	}
	next := deployed{Endpoint: now.Endpoint, values: f.route(now.values)}
	if !next.byGateway() {
		return nil
	}
	if p.auth != nil {
		next.Auth.Mode = p.auth.Mode
	}
	err = errors.Join(f.idleWithGateway(), admitAuth(next), admitSticky(next), admitMirrors(next),
		admitShare(now, exists, p))
	if err != nil {
		return err
	}
	name := next.gateway(s.Namespace)
	err = o.hasGateway(ctx, s, name)
	if err == nil && exists && !now.byGateway() {
		o.tell("note: from now on the endpoint is reached at Gateway %s; its Service %s goes with the router",
			name, p.endpoint)
	}
	return err
}

// hasGateway refuses the name of a Gateway that is not there. Who may not look is
// not kept from going on.
func (o *options) hasGateway(ctx context.Context, s *Session, name rollout.GatewayName) error {
	_, err := rollout.FindGateway(ctx, s.Kube.Discovery(), s.Dynamic, name)
	if apierrors.IsForbidden(err) {
		o.tell("note: whether there is a Gateway %s is not known: %v", name, err)
		return nil
	}
	return err
}

// idleWithGateway refuses flags that are the router's alone.
func (p *placeFlags) idleWithGateway() error {
	if p.given != nil && p.given.Changed("service-type") {
		return usageError{errors.New("--service-type is the router's: behind a gateway leave it out")}
	}
	return nil
}

func admitAuth(next deployed) error {
	if next.Auth.Mode == endpoint.AuthNone {
		return nil
	}
	return errors.New("a gateway does not check the endpoint's keys: give a deployment config with authEnabled false, " +
		"and let a policy of the gateway ask for credentials")
}

func admitSticky(next deployed) error {
	if next.Sticky.Header == "" {
		return nil
	}
	return fmt.Errorf("a gateway draws a version for each request: let callers go first, with "+
		"kubectl aml traffic set %s --sticky-by none", next.Name)
}

func admitMirrors(next deployed) error {
	for _, v := range next.Versions {
		if v.Mirror > 0 {
			return fmt.Errorf("a gateway sends no copies: end them first, with kubectl aml traffic mirror %s --off", next.Name)
		}
	}
	return nil
}

// admitShare refuses to give a new version requests before it is ready.
func admitShare(now deployed, exists bool, p *plan) error {
	if _, known := now.Versions[p.versionName]; !exists || known || len(now.Versions) == 0 {
		return nil
	}
	if share := p.placement.Traffic; p.alone || p.placement.Default || share != nil && *share > 0 {
		return errUnready(p.endpoint, p.versionName)
	}
	return nil
}

// errUnready says how a version that is new gets its first requests.
func errUnready(name, version string) error {
	return fmt.Errorf("version %s is new, and a gateway would lose its requests until it is ready: deploy it without "+
		"traffic, then set its share with kubectl aml traffic set %s", version, name)
}

// admitSplit waits, before a gateway gets a split, until every version that gets
// more than before is ready: there, a version without a ready pod loses what it
// gets. A version that is new gets nothing.
func (w revision) admitSplit(ctx context.Context, current *release.Release, tree map[string]any) error {
	next, err := chart.ParseValues(tree)
	if err != nil || current == nil || next.Routing.Mode != chart.GatewayMode {
		return err
	}
	now, err := read(*current)
	if err != nil || len(now.Versions) == 0 {
		return err
	}
	before := map[string]float64{}
	if now.byGateway() {
		before = now.Effective()
	}
	var gaining []string
	for name, share := range next.Endpoint(w.name).Effective() {
		if share <= before[name] {
			continue
		}
		if _, known := now.Versions[name]; !known {
			return errUnready(w.name, name)
		}
		gaining = append(gaining, name)
	}
	if len(gaining) == 0 || w.dryRun != release.DryRunNone {
		return nil
	}
	slices.Sort(gaining)
	timeout := w.flags.timeout
	if !w.flags.wait {
		timeout = time.Nanosecond // one look
	}
	return status.Wait(ctx, status.WaitOptions{
		Client: w.session.Kube, Clock: w.Clock, Namespace: w.session.Namespace, Endpoint: w.name,
		Versions: gaining, Timeout: timeout,
	})
}

// byGateway tells whether the newest revision has a route in the place of a
// router. The cluster does not tell: what the revision no longer has is there
// until the revision is ready.
func (w revision) byGateway(ctx context.Context) (bool, error) {
	r, err := w.session.Releases.Newest(ctx, w.name)
	if err != nil {
		return false, err
	}
	newest, err := read(r)
	return newest.byGateway(), err
}

// routeOf is what became of the endpoint's HTTPRoute; nil if it has a router.
func (s *Session) routeOf(ctx context.Context, d deployed) *status.Route {
	if !d.byGateway() {
		return nil
	}
	route := &status.Route{Gateway: d.gateway(s.Namespace).String()}
	found, err := rollout.FindRoute(ctx, s.Dynamic, s.Namespace, d.Name)
	switch {
	case apierrors.IsNotFound(err):
		route.Verdict = status.Verdict{State: status.Failed, Reason: status.ReasonMissing,
			Message: "the endpoint has lost its HTTPRoute: deploy it again"}
	case err != nil:
		route.Verdict = status.Verdict{State: status.Progressing, Reason: "Unknown", Message: err.Error()}
	case found.InForce:
		route.Verdict = status.Verdict{State: status.Ready}
	case found.Refused:
		route.Verdict = status.Verdict{State: status.Failed, Reason: found.Reason, Message: found.Message}
	default:
		route.Verdict = status.Verdict{State: status.Progressing, Reason: found.Reason, Message: found.Message}
	}
	return route
}

// address is where clients reach an endpoint.
func (s *Session) address(ctx context.Context, d deployed) (rollout.Address, error) {
	if !d.byGateway() {
		return rollout.FindAddress(ctx, s.Kube, s.Namespace, d.Name)
	}
	gateway, err := rollout.FindGateway(ctx, s.Kube.Discovery(), s.Dynamic, d.gateway(s.Namespace))
	if err != nil {
		return rollout.Address{}, err
	}
	address, _, err := gateway.Address(d.values.Routing.Gateway.Hostnames)
	if err != nil {
		return rollout.Address{Note: err.Error()}, nil
	}
	return address, nil
}

// way opens a way to the endpoint: through a port forwarded to a router, or to
// the address of its gateway, whatever its host name resolves to here.
func (s *Session) way(ctx context.Context, d deployed) (*http.Client, string, func(), error) {
	if !d.byGateway() {
		base, closeWay, err := s.forward(ctx, d.Name)
		return &http.Client{}, base, closeWay, err
	}
	gateway, err := rollout.FindGateway(ctx, s.Kube.Discovery(), s.Dynamic, d.gateway(s.Namespace))
	if err != nil {
		return nil, "", nil, err
	}
	address, dial, err := gateway.Address(d.values.Routing.Gateway.Hostnames)
	if err != nil {
		return nil, "", nil, err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dial)
	}}
	return &http.Client{Transport: transport}, address.URL, transport.CloseIdleConnections, nil
}
