// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// sslFlags say which certificate the endpoints of a compute show.
type sslFlags struct {
	cname, cert, key, label, issuer string
	overwrite, legacy               bool
	// region is where Azure has the cluster, if that is known.
	region string
	// ordered says that cert-manager keeps the certificate that there is.
	ordered bool
}

func (f *sslFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.cname, "ssl-cname", "", "Host name of the endpoints, which the certificate is for")
	s.StringVar(&f.cert, "ssl-cert-file", "", "File with the certificate and what signed it, in PEM")
	s.StringVar(&f.key, "ssl-key-file", "", "File with the certificate's key, in PEM")
	s.StringVar(&f.label, "ssl-leaf-domain-label", "", "Label of the host name LABEL.REGION.cloudapp.azure.com")
	s.StringVar(&f.issuer, "ssl-issuer", "", "ClusterIssuer of cert-manager that gives the certificate for the label")
	s.BoolVar(&f.overwrite, "ssl-overwrite-domain", false, "Let the label take the place of another host name")
	s.BoolVar(&f.legacy, "import-legacy-tls", false, "Take the certificate that Azure ML v1 left in the cluster")
	// The only errors are files that are no flags.
	_ = c.MarkFlagFilename("ssl-cert-file")
	_ = c.MarkFlagFilename("ssl-key-file")
}

// given says that TLS is wanted.
func (f *sslFlags) given() bool { return *f != sslFlags{region: f.region, ordered: f.ordered} }

// check refuses flags that do not go together, all at once. It reads no file and
// asks no cluster.
func (f *sslFlags) check(balancer compute.BalancerType) error {
	var wrong []error
	need := func(bad bool, words string) {
		if bad {
			wrong = append(wrong, errors.New(words))
		}
	}
	files := f.cert != "" || f.key != ""
	need(f.cname != "" && f.label != "", "--ssl-cname and --ssl-leaf-domain-label are two names: one is enough")
	need(f.legacy && files, "--import-legacy-tls and --ssl-cert-file are two certificates: one is enough")
	need(files && (f.cert == "" || f.key == ""), "--ssl-cert-file and --ssl-key-file go together: give both")
	need(f.cname != "" && !files && !f.legacy,
		"--ssl-cname needs a certificate: give --ssl-cert-file and --ssl-key-file, or --import-legacy-tls")
	need((files || f.legacy) && f.cname == "" && f.label == "", "a certificate needs its host name: give --ssl-cname")
	need(f.overwrite && f.label == "", "--ssl-overwrite-domain is for --ssl-leaf-domain-label only")
	need(f.issuer != "" && (f.label == "" || files || f.legacy),
		"--ssl-issuer is for a --ssl-leaf-domain-label without files")
	need(f.label != "" && f.issuer == "" && !files && !f.legacy,
		"Microsoft's certificates came from Azure ML's own service: "+
			"give --ssl-issuer, a ClusterIssuer of cert-manager, or --ssl-cert-file and --ssl-key-file")
	if f.cname != "" {
		wrong = append(wrong, compute.CheckHost(strings.ToLower(f.cname)))
	}
	if f.label != "" {
		wrong = append(wrong, compute.CheckLabel(f.label, balancer))
	}
	if err := errors.Join(wrong...); err != nil {
		return usageError{err}
	}
	return nil
}

// record is what the record of the compute says of the certificate but when it
// ends; nothing if TLS is not wanted.
func (f *sslFlags) record() (compute.TLS, error) {
	if !f.given() {
		return compute.TLS{}, nil
	}
	t := compute.TLS{Host: strings.ToLower(f.cname), Secret: compute.TLSSecret, Issuer: f.issuer, DNSLabel: f.label}
	if f.label != "" {
		if f.region == "" {
			return t, usageError{errors.New("the name of a label has the cluster's region in it, which is not known: " +
				"give --location to compute update-ssl, or the whole name as --ssl-cname with a certificate")}
		}
		t.Host = fmt.Sprintf("%s.%s.cloudapp.azure.com", f.label, f.region)
	}
	return t, nil
}

// apply brings the certificate into the compute's namespace, or has it ordered,
// and returns what the record says of it. Before anything is changed, it refuses
// a certificate that is not good for the host.
func (f *sslFlags) apply(ctx context.Context, o *options, s *Session, namespace string) (compute.TLS, error) {
	t, bring, err := f.ready(ctx, o, s, namespace)
	if err != nil {
		return t, err
	}
	return t, bring(ctx)
}

// ready is apply with the change still to be made, by bring.
func (f *sslFlags) ready(
	ctx context.Context, o *options, s *Session, namespace string,
) (t compute.TLS, bring func(context.Context) error, err error) {
	if t, err = f.record(); err != nil {
		return t, nil, err
	}
	if f.issuer != "" {
		return t, func(ctx context.Context) error {
			return compute.Order(ctx, s.Dynamic, namespace, t.Host, f.issuer, f.overwrite)
		}, nil
	}
	pair, err := f.pair(ctx, o, s)
	if err != nil {
		return t, nil, err
	}
	ends, err := pair.Check(t.Host, o.Clock.Now())
	if err != nil {
		return t, nil, usageError{err}
	}
	t.Expires = &ends
	return t, func(ctx context.Context) error {
		if err := cancelOrder(ctx, s, namespace, f.ordered); err != nil {
			return err
		}
		return compute.PutPair(ctx, s.Kube, namespace, pair)
	}, nil
}

// cancelOrder cancels what cert-manager was told for the namespace, by an earlier
// attachment too: it would write its own certificate over another. Who may not see
// certificates is stopped only if the record says that there is one.
func cancelOrder(ctx context.Context, s *Session, namespace string, ordered bool) error {
	err := compute.CancelOrder(ctx, s.Dynamic, namespace)
	if apierrors.IsForbidden(err) && !ordered {
		return nil
	}
	return err
}

// pair reads the certificate that the flags name.
func (f *sslFlags) pair(ctx context.Context, o *options, s *Session) (compute.Pair, error) {
	if f.legacy {
		return compute.LegacyPair(ctx, s.Kube)
	}
	cert, certErr := os.ReadFile(o.path(f.cert))
	key, keyErr := os.ReadFile(o.path(f.key))
	if err := errors.Join(certErr, keyErr); err != nil {
		return compute.Pair{}, usageError{err}
	}
	return compute.Pair{CertFile: f.cert, KeyFile: f.key, Cert: cert, Key: key}, nil
}
