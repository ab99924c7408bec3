// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// trustError says why no request can be sent: what is wrong with CAFiles.
type trustError struct{ err error }

// Error is a line for each file.
func (e *trustError) Error() string { return e.err.Error() }

// Unwrap gives the errors of the files.
func (e *trustError) Unwrap() error { return e.err }

// Check refuses CA files that cannot be read or hold no certificate, all at once,
// by path. Without it, the first request to a registry says so.
func (o Options) Check() error {
	_, err := o.Carrier()
	return err
}

// Carrier is what carries the requests to registries: Transport or the default one,
// which trusts CAFiles too and is wrapped in Wrap. Errors are those of Check.
func (o Options) Carrier() (http.RoundTripper, error) {
	next, err := o.trusting()
	if err != nil || o.Wrap == nil {
		return next, err
	}
	return o.Wrap(next), nil
}

// trusting trusts the authorities in the CA files, too.
func (o Options) trusting() (http.RoundTripper, error) {
	next := o.Transport
	if next == nil {
		next = remote.DefaultTransport
	}
	if len(o.CAFiles) == 0 {
		return next, nil
	}
	pool, err := authorities(o.CAFiles)
	if err != nil {
		return nil, &trustError{err}
	}
	bare, ok := next.(*http.Transport)
	if !ok {
		return nil, &trustError{fmt.Errorf("CA files cannot be added to a transport of type %T", next)}
	}
	own := bare.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.RootCAs = pool
	return own, nil
}

// authorities are those of the system and those in the files.
func authorities(files []string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without any
	}
	var errs []error
	for _, file := range files {
		content, err := os.ReadFile(file)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("CA file %s cannot be read: %w", file, reason(err)))
		case !pool.AppendCertsFromPEM(content):
			errs = append(errs, fmt.Errorf("CA file %s holds no certificate: write the path of one in PEM", file))
		}
	}
	return pool, errors.Join(errs...)
}
