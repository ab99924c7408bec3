// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// TLSSecret is the name of the Secret with the certificate of a compute.
const TLSSecret = "aml-tls"

// Pair is a certificate with its chain and its key, in PEM. It never prints
// itself.
type Pair struct {
	// CertFile and KeyFile name the two in messages.
	CertFile, KeyFile string
	Cert, Key         []byte
}

// String names the files, and tells nothing of what is in them.
func (p Pair) String() string { return p.CertFile + ", " + p.KeyFile }

// GoString is String.
func (p Pair) GoString() string { return p.String() }

// Check returns when the certificate ends. The error has all that is wrong, each
// with the file that it is in: what is no PEM, a key that is another
// certificate's, a certificate that is not for host, is not valid yet or is over.
func (p Pair) Check(host string, now time.Time) (ends time.Time, err error) {
	leaf, certErr := p.leaf()
	keyErr := p.checkKey()
	wrong := []error{certErr, keyErr}
	if certErr == nil && keyErr == nil {
		if _, err := tls.X509KeyPair(p.Cert, p.Key); err != nil {
			wrong = append(wrong, fmt.Errorf("%s is not the key of the certificate in %s", p.KeyFile, p.CertFile))
		}
	}
	if certErr == nil {
		ends = leaf.NotAfter
		wrong = append(wrong, p.checkStrength(leaf), p.checkHost(leaf, host), p.checkTime(leaf, now))
	}
	return ends, errors.Join(wrong...)
}

// leaf is the first certificate of the file.
func (p Pair) leaf() (*x509.Certificate, error) {
	block, _ := pem.Decode(p.Cert)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM: it has to begin with -----BEGIN CERTIFICATE-----", p.CertFile)
	}
	if block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s begins with a %s: the certificate has to be first", p.CertFile, block.Type)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no certificate: %s", p.CertFile, strings.TrimPrefix(err.Error(), "x509: "))
	}
	return leaf, nil
}

// checkKey tells what of a key file is no key; never what is in it.
func (p Pair) checkKey() error {
	for rest := p.Key; ; {
		block, next := pem.Decode(rest)
		switch {
		case block == nil:
			return fmt.Errorf("%s holds no private key in PEM", p.KeyFile)
		case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return fmt.Errorf("%s has a passphrase: write the key without one, as openssl pkey does", p.KeyFile)
		case block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY"):
			return nil
		}
		rest = next
	}
}

// minRSA is the fewest bits of an RSA key that Envoy takes. Of elliptic curves it
// takes P-256, P-384 and P-521. Seen with Envoy 1.40.
const minRSA = 2048

// checkStrength refuses keys that the routers would refuse: they would go on with
// the certificate before, and say so in their logs only.
func (p Pair) checkStrength(leaf *x509.Certificate) error {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return fmt.Errorf("%s has an RSA key of %d bits: routers take %d or more", p.CertFile, bits, minRSA)
		}
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits < 256 {
			return fmt.Errorf("%s has a key of the curve %s: routers take P-256, P-384 and P-521", p.CertFile,
				key.Curve.Params().Name)
		}
	}
	return nil
}

// checkHost compares the host with the names of the certificate: those of its
// extension or, where it has none, the common name, as Azure ML v1 did.
func (p Pair) checkHost(leaf *x509.Certificate, host string) error {
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		copied := *leaf
		copied.DNSNames = []string{leaf.Subject.CommonName}
		if copied.VerifyHostname(host) == nil {
			return nil
		}
		return fmt.Errorf("%s is for %s, not for %s", p.CertFile, leaf.Subject.CommonName, host)
	}
	if leaf.VerifyHostname(host) == nil {
		return nil
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{"no name"}
	}
	return fmt.Errorf("%s is for %s, not for %s", p.CertFile, strings.Join(names, ", "), host)
}

func (p Pair) checkTime(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s is not valid before %s", p.CertFile, leaf.NotBefore.UTC().Format(time.RFC3339))
	case !now.Before(leaf.NotAfter):
		return fmt.Errorf("%s ended on %s", p.CertFile, leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// CheckHost refuses what cannot be the host name of a certificate.
func CheckHost(host string) error {
	const label = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
	if len(host) <= 253 && regexp.MustCompile(`^(`+label+`\.)*`+label+`$`).MatchString(host) {
		return nil
	}
	return fmt.Errorf("host name %q: write lower-case letters, digits and -, parted by dots", host)
}

// CheckLabel refuses a leaf domain label that Azure does not take, and one for a
// load balancer that has no public address. See PublicIPAddressDnsSettings of
// Azure's network API for the syntax.
func CheckLabel(label string, balancer BalancerType) error {
	var wrong []error
	if !regexp.MustCompile(`^[a-z]([-a-z0-9]{1,61}[a-z0-9])$`).MatchString(label) {
		wrong = append(wrong, fmt.Errorf("leaf domain label %q: write 3 to 63 lower-case letters, digits and -, a letter "+
			"first, a letter or digit last", label))
	}
	if balancer == Internal {
		wrong = append(wrong, fmt.Errorf("leaf domain label %q: an internal load balancer has no name in Azure: "+
			"bring a certificate with --ssl-cname, or use PublicIp", label))
	}
	return errors.Join(wrong...)
}
