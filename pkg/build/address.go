// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client"
)

// daemon is a BuildKit at an address.
type daemon struct {
	address string
	opts    []client.ClientOpt
}

// BuildKit builds with the BuildKit at an address as BUILDKIT_HOST has it:
// tcp://HOST:PORT or unix:///PATH. With a folder of certificates, the one at a
// TCP address is called with TLS: ca.pem is who it has to be from, cert.pem and
// key.pem are this machine's. It is asked whether it answers, and an
// *UnavailableError tells if not.
//
//nolint:revive // BuildKit is its name
func BuildKit(ctx context.Context, address, certificates string) (Builder, error) {
	none := func(reason string, err error) (Builder, error) {
		return nil, &UnavailableError{Builder: "BuildKit", Reason: reason, Err: err}
	}
	d := &daemon{address: address}
	u, err := url.Parse(address)
	if err != nil {
		return none(fmt.Sprintf("the address %q is wrong: write tcp://HOST:PORT or unix:///PATH", address), err)
	}
	switch u.Scheme {
	case "unix":
	case "tcp":
		if u.Port() == "" {
			return none(fmt.Sprintf("the address %q has no port: write tcp://HOST:PORT, mostly port 1234", address), nil)
		}
		if d.opts, err = tls(u.Hostname(), certificates); err != nil {
			return none(err.Error(), err)
		}
	default:
		return none(fmt.Sprintf("the address %q is of no kind that is known: have BuildKit listen at tcp://HOST:PORT or "+
			"unix:///PATH, or build in the cluster", address), nil)
	}
	if err := d.check(ctx); err != nil {
		return none(unanswered(address, len(d.opts) > 0, err), err)
	}
	return d, nil
}

// tls are the certificates in a folder, under the names that Docker has for them.
func tls(host, folder string) ([]client.ClientOpt, error) {
	if folder == "" {
		return nil, nil
	}
	file := func(name string) string { return filepath.Join(folder, name) }
	opts := []client.ClientOpt{client.WithServerConfig(host, file("ca.pem"))}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if _, err := os.Stat(file(name)); err != nil {
			return nil, fmt.Errorf("the folder of certificates needs ca.pem, cert.pem and key.pem: %w", err)
		}
	}
	return append(opts, client.WithCredentials(file("cert.pem"), file("key.pem"))), nil
}

func (d *daemon) check(ctx context.Context) error {
	const patience = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := client.New(ctx, d.address, d.opts...)
	if err != nil {
		return err
	}
	_, err = c.ListWorkers(ctx)
	return errors.Join(err, c.Close())
}

// layersOfGRPC are what it puts around the cause of a connection that failed.
var layersOfGRPC = regexp.MustCompile(`^failed to list workers: \w+: |^connection error: desc = |^transport: |` +
	`^authentication handshake failed: |^Error while dialing: |^error reading server preface: `)

// unanswered is why a BuildKit does not answer; certified is set when it was
// called with TLS.
func unanswered(address string, certified bool, err error) string {
	text := oneLine(err.Error())
	for cut := ""; cut != text; {
		cut, text = text, strings.Trim(layersOfGRPC.ReplaceAllString(text, ""), `"`)
	}
	text = shorten(strings.ReplaceAll(text, `\"`, `"`))
	switch {
	case strings.Contains(text, "permission denied"):
		return "the socket " + address + " does not let you in: run this as who may use it"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return address + " speaks no TLS: leave the certificates out, or have buildkitd use some"
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509"), strings.Contains(text, "certificate"):
		return address + " and this machine do not trust each other: " + text + ": name the folder with the " +
			"certificates for it"
	case text == "EOF", strings.HasSuffix(text, syscall.EPIPE.Error()),
		strings.HasSuffix(text, syscall.ECONNRESET.Error()):
		why := "as one does that wants TLS"
		if certified {
			why = "as one does that does not trust this machine's certificate"
		}
		return address + " broke the connection off, " + why + ": name the folder with the certificates for it"
	case strings.HasPrefix(text, "unknown service"):
		return "what answers at " + address + " is no BuildKit: correct the address: " + text
	default:
		return "nothing answers at " + address + ": start buildkitd there, or correct the address: " + text
	}
}

// Name is where it is.
func (d *daemon) Name() string { return "BuildKit at " + d.address }

// Build builds there.
func (d *daemon) Build(ctx context.Context, r Request) (Result, error) {
	c, err := client.New(ctx, d.address, d.opts...)
	if err != nil {
		return Result{}, explain(ctx, err, r, nil)
	}
	result, err := solve(ctx, c, r)
	if closed := c.Close(); err == nil && closed != nil {
		return Result{}, errors.Join(closed, result.Close())
	}
	return result, err
}

// supports refuses a platform that a builder cannot run steps for.
func supports(ctx context.Context, c *client.Client, platform string) error {
	if platform == "" {
		return nil
	}
	wanted, err := v1.ParsePlatform(platform)
	if err != nil {
		return err
	}
	workers, err := c.ListWorkers(ctx)
	if err != nil {
		return err
	}
	var has []string
	for _, w := range workers {
		for _, p := range w.Platforms {
			if p.OS == wanted.OS && p.Architecture == wanted.Architecture {
				return nil
			}
			if one := p.OS + "/" + p.Architecture; !slices.Contains(has, one) {
				has = append(has, one)
			}
		}
	}
	return &UnavailableError{Builder: "the builder", Reason: fmt.Sprintf("it runs steps for %s and not for %s: add that "+
		"with \"docker run --privileged --rm tonistiigi/binfmt --install %s\", or take another builder",
		strings.Join(has, ", "), platform, wanted.Architecture)}
}

// hostOf is the registry of an image, as "docker login" wants it.
func hostOf(image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return image
	}
	if host := ref.Context().RegistryStr(); host != name.DefaultRegistry {
		return host
	}
	return "docker.io"
}

// thisMachine tells whether a host is the machine that asks.
func thisMachine(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
