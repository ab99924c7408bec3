// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// propose are the values to be, without keys: those of the bundle, of an endpoint
// that is there what belongs to its place, and those of --values before them all.
func (l *loading) propose(ctx context.Context, now chart.Values, isNew bool) (chart.Values, error) {
	next := l.given
	if !isNew {
		next = inPlaceOf(now, next)
	}
	next, err := next.Overlay(l.overlay)
	if err != nil {
		return next, cause(l.flags.values, err)
	}
	return l.onCompute(ctx, now, next, isNew)
}

// inPlaceOf is next with what belongs to the place of the endpoint that is there:
// how callers reach it, and whether they need a key.
func inPlaceOf(now, next chart.Values) chart.Values {
	next.TLS, next.ImagePullSecrets = now.TLS, now.ImagePullSecrets
	next.Auth = chart.AuthValues{Mode: now.Auth.Mode}
	next.Routing, next.Router.Service = now.Routing, now.Router.Service
	if now.Routing.Mode == chart.GatewayMode { // there is no router to be set
		image := next.Router.Image
		next.Router = now.Router
		next.Router.Image = image
	}
	return next
}

// admit refuses values that name other images than those of the bundle, and what is
// not there or cannot be done in this cluster.
func (l *loading) admit(ctx context.Context, next chart.Values) error {
	if err := l.admitImages(next); err != nil {
		return err
	}
	for _, v := range next.Versions {
		if v.ModelImage == "" {
			continue
		}
		if err := l.mountsImages(ctx, l.session, v.ModelImage); err != nil {
			return err
		}
		break // it is the cluster that can, or cannot
	}
	if next.Routing.Mode == chart.GatewayMode {
		return l.hasGateway(ctx, l.session, deployed{values: next}.gateway(l.session.Namespace))
	}
	err := l.hasSecret(ctx, next.TLS.ExistingSecret, "the endpoint speaks TLS with the certificate in it: make it with "+
		"kubectl create secret tls, or say in a file for --values what tls.existingSecret is here, \"\" for plain HTTP")
	if err != nil {
		return err
	}
	return l.hasSecret(ctx, next.Auth.ExistingSecret, "the endpoint's keys are to be in it: make it, or leave "+
		"auth.existingSecret out")
}

// admitImages refuses values whose images the bundle does not have, or that could
// not be run from nodes.
func (l *loading) admitImages(next chart.Values) error {
	images := slices.Collect(maps.Values(l.at))
	if next.Routing.Mode == chart.RouterMode && !slices.Contains(images, l.given.Router.Image) {
		return errors.New("the bundle has no router, it is of an endpoint behind a gateway: load it as another endpoint, " +
			"or put this one behind a gateway first, with kubectl aml deploy --gateway")
	}
	errs := []error{onlyImages(next, l.name, l.session.Namespace, images)}
	for _, name := range slices.Sorted(maps.Keys(next.Versions)) {
		if inFolder(l.flags.registry) {
			errs = append(errs, stayInNodes(name, next.Versions[name]))
		}
	}
	return errors.Join(errs...)
}

// hasSecret refuses the name of a secret that is not there. Who may not look is not
// kept from going on.
func (l *loading) hasSecret(ctx context.Context, name, advice string) error {
	if name == "" {
		return nil
	}
	_, err := l.session.Kube.CoreV1().Secrets(l.session.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no secret %s in namespace %s: %s", name, l.session.Namespace, advice)
	case apierrors.IsForbidden(err):
		return nil
	}
	return err
}

// pushedOnly is what --push-only tells.
type pushedOnly struct {
	Endpoint string `json:"endpoint"`
	// Chart is what helm install is given, ChartVersion its version.
	Chart        string        `json:"chart"`
	ChartVersion string        `json:"chartVersion"`
	Images       []pushedImage `json:"images"`
	// SBOMs are the lists of packages that are attached to the images now.
	SBOMs  []string     `json:"sboms"`
	Values chart.Values `json:"values"`
}

// pushedImage is where an image went.
type pushedImage struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// pushOnly pushes images and chart, and answers with what others need to go on.
func (l *loading) pushOnly(ctx context.Context) error {
	values, err := l.given.Overlay(l.overlay)
	if err != nil {
		return cause(l.flags.values, err)
	}
	if err := onlyImages(values, l.name, "", slices.Collect(maps.Values(l.at))); err != nil {
		return err
	}
	did, err := l.push(ctx)
	if err != nil {
		return err
	}
	at, err := l.bundle.PushChart(ctx, l.courier, l.flags.registry)
	if err != nil {
		return err
	}
	l.tell("bundle: the chart is at %[1]s: helm install %[2]s %[1]s --version %[3]s -f VALUES", at, l.name, l.bundle.Chart)
	told := pushedOnly{Endpoint: l.name, Chart: at, ChartVersion: l.bundle.Chart,
		SBOMs: append([]string{}, did.Lists...), Values: values}
	for _, from := range slices.Sorted(maps.Keys(l.at)) {
		told.Images = append(told.Images, pushedImage{From: from, To: l.at[from]})
	}
	switch printer.Format(l.flags.output) {
	case printer.JSON:
		return printer.WriteJSON(l.Streams.Out, told)
	case printer.YAML:
		return printer.WriteYAML(l.Streams.Out, told)
	}
	tree, err := values.Map()
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return err
	}
	_, err = l.Streams.Out.Write(text)
	return err
}
