// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// sslChange is what update-ssl does to a compute.
type sslChange struct {
	sslFlags
	renew, disable bool
}

// check refuses what does not go together.
func (f *sslChange) check(r compute.Record) error {
	set := 0
	for _, given := range []bool{f.given(), f.renew, f.disable} {
		if given {
			set++
		}
	}
	switch {
	case set != 1:
		return usageError{errors.New("say what to do, and one thing only: " +
			"give a certificate, --ssl-renew or --ssl-disable")}
	case f.region != "" && f.label == "":
		return usageError{errors.New("--location is for --ssl-leaf-domain-label only")}
	case f.renew && r.TLS.Issuer == "":
		return usageError{errors.New("only a certificate of an issuer can be renewed: bring the new one with " +
			"--ssl-cert-file and --ssl-key-file")}
	case f.given():
		if err := f.sslFlags.check(r.LoadBalancer.Type); err != nil {
			return err
		}
	}
	if old := r.TLS.DNSLabel; f.label != "" && old != "" && old != f.label && !f.overwrite {
		return usageError{fmt.Errorf("the compute has the label %s: write --ssl-overwrite-domain to give it %s instead; "+
			"its callers have to follow", old, f.label)}
	}
	return nil
}

func newComputeUpdateSSL(o *options) *cobra.Command {
	var f sslChange
	c := o.named(&cobra.Command{
		Use:   "update-ssl",
		Short: "Change the certificate that the endpoints of a compute show",
		Long: "Change the certificate that the endpoints of a compute show: bring one, have cert-manager make or renew\n" +
			"one, or turn TLS off. Endpoints with TLS take a new certificate without a restart and lose no request.\n" +
			"Turning TLS on or off is for endpoints that are deployed from then on; those that have to be deployed\n" +
			"again are named.",
		Example: "  # A certificate of your own, also to renew it\n" +
			"  kubectl aml compute update-ssl fraud --ssl-cname score.example.com \\\n" +
			"    --ssl-cert-file cert.pem --ssl-key-file key.pem\n\n" +
			"  # Azure's name for the address, and cert-manager's certificate\n" +
			"  kubectl aml compute update-ssl fraud --ssl-leaf-domain-label fraud \\\n" +
			"    --location westeurope --ssl-issuer letsencrypt\n\n" +
			"  # Plain HTTP again\n" +
			"  kubectl aml compute update-ssl fraud --ssl-disable",
	}, func(ctx context.Context, name string) error { return o.updateSSL(ctx, name, f) })
	f.add(c)
	c.Flags().StringVarP(&f.region, "location", "l", "", "Azure's region of the cluster, for a label")
	c.Flags().BoolVar(&f.renew, "ssl-renew", false, "Have the issuer renew the certificate now")
	c.Flags().BoolVar(&f.disable, "ssl-disable", false, "Speak plain HTTP")
	return o.offersComputes(c)
}

// updateSSL changes the Secret before the record when TLS comes, and after it when
// TLS goes: a record that says TLS always has its Secret, whenever this is killed.
func (o *options) updateSSL(ctx context.Context, name string, f sslChange) error {
	c, known, err := o.computeContext(name)
	if err != nil {
		return err
	}
	s, r, err := o.recordOf(ctx, name, c, known)
	if err != nil {
		return err
	}
	if err := f.check(r); err != nil {
		return err
	}
	s.Namespace = r.Namespace
	secured, plain, err := compute.SecuredBy(ctx, s.Kube, r.Namespace)
	if err != nil {
		return err
	}
	if err := o.changeSSL(ctx, s, r, f, len(secured) > 0); err != nil {
		return err
	}
	again := plain
	if f.disable {
		again = secured
	} else {
		o.deliver(ctx, s, f, secured)
	}
	if len(again) > 0 && !f.renew {
		o.tell("note: deploy again, so that they speak %s: %s", f.speaks(), strings.Join(again, ", "))
	}
	o.answer("compute/%s %s", name, f.done())
	return nil
}

// deliver has the nodes bring a certificate to the routers, and says when they show
// it: nobody waits for that. What cert-manager is to make is not there yet.
func (o *options) deliver(ctx context.Context, s *Session, f sslChange, secured []string) {
	routers := strings.Join(secured, ", ")
	switch {
	case f.renew || f.issuer != "":
		o.tell("note: cert-manager makes the certificate: kubectl -n %s get certificate %s says when it is ready",
			s.Namespace, compute.TLSSecret)
		if len(secured) > 0 {
			o.tell("note: the routers of %s show it within 90s of that", routers)
		}
	case len(secured) > 0:
		if err := s.refresh(ctx, secured); err != nil {
			o.tell("note: nodes are not told to hurry: %v", err)
		}
		o.tell("note: the routers of %s show it when their nodes have brought it, within 90s at the latest", routers)
	}
}

func (f *sslChange) speaks() string {
	if f.disable {
		return "plain HTTP"
	}
	return "TLS"
}

func (f *sslChange) done() string {
	switch {
	case f.disable:
		return "TLS disabled"
	case f.renew:
		return "renewal asked for"
	}
	return "TLS updated"
}

// changeSSL makes the change. A Secret that endpoints still show stays.
func (o *options) changeSSL(ctx context.Context, s *Session, r compute.Record, f sslChange, shown bool) error {
	if f.renew {
		return compute.Renew(ctx, s.Dynamic, r.Namespace, o.Clock.Now())
	}
	next := r.Attachment
	if f.disable {
		next.TLS = compute.TLS{}
		if _, err := compute.Replace(ctx, s.Kube, r, next); err != nil {
			return err
		}
		if shown {
			o.tell("note: secret %s/%s stays as long as endpoints show it: write the command again later",
				r.Namespace,
				cmp.Or(r.TLS.Secret, compute.TLSSecret))
			return nil
		}
		if err := cancelOrder(ctx, s, r.Namespace, r.TLS.Issuer != ""); err != nil {
			return err
		}
		return compute.DeletePair(ctx, s.Kube, r.Namespace)
	}
	f.ordered = r.TLS.Issuer != ""
	t, err := f.apply(ctx, o, s, r.Namespace)
	if err != nil {
		return err
	}
	next.TLS = t
	if _, err := compute.Replace(ctx, s.Kube, r, next); err != nil {
		return fmt.Errorf("the certificate is in place, but the record does not say so: %w; "+
			"write the same command again", err)
	}
	return nil
}
