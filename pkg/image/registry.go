// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Resolve pins an image to the digest that its tag has now. The answer is
// NAME@sha256:…; a reference with a digest is only looked up. An image for
// several platforms keeps the digest of its index. Errors are as in Package.
func Resolve(ctx context.Context, ref string, o Options) (string, error) {
	parsed, err := parseImage(ref, o)
	if err != nil {
		return "", err
	}
	opts := o.remoteOptions(ctx, newTransport(o))
	desc, err := remote.Head(parsed, opts...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusMethodNotAllowed {
		// Some registries only know GET.
		var got *remote.Descriptor
		if got, err = remote.Get(parsed, opts...); err == nil {
			desc = &got.Descriptor
		}
	}
	if err != nil {
		return "", explain(err, "look up", ref)
	}
	return pinned(parsed, desc.Digest), nil
}

func parseImage(ref string, o Options) (name.Reference, error) {
	parsed, err := name.ParseReference(ref, o.nameOptions()...)
	if err != nil {
		return nil, fmt.Errorf("image %q is not valid: write it as HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, in lower case",
			ref)
	}
	return parsed, nil
}

// pull finds the image to build upon, for linux/amd64, and its digest.
func pull(ctx context.Context, ref string, o Options, t http.RoundTripper) (v1.Image, string, error) {
	parsed, err := parseImage(ref, o)
	if err != nil {
		return nil, "", err
	}
	img, err := remote.Image(parsed, o.remoteOptions(ctx, t)...)
	if err != nil {
		return nil, "", explain(err, "read", ref)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, "", explain(err, "read", ref)
	}
	return img, pinned(parsed, digest), nil
}

// push writes what the repository does not have yet.
func push(ctx context.Context, repo name.Repository, img v1.Image, o Options, t http.RoundTripper) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", explain(err, "push to", repo.Name())
	}
	ref := repo.Digest(digest.String())
	o.log("pushing to " + repo.Name())
	err = remote.Write(ref, img, o.remoteOptions(ctx, t)...)
	if changed := changedLayer(img); changed != nil {
		return "", changed
	}
	if err != nil {
		return "", explain(err, "push to", repo.Name())
	}
	return pinned(ref, digest), nil
}

func changedLayer(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return nil // told by whoever writes the image
	}
	for _, l := range layers {
		if own, ok := l.(*layer); ok && own.changed.Load() != nil {
			return own.changed.Load()
		}
	}
	return nil
}

// pinned writes a reference the way people know it: Docker Hub is docker.io.
func pinned(ref name.Reference, digest v1.Hash) string {
	repo := ref.Context().Name()
	if rest, ok := strings.CutPrefix(repo, name.DefaultRegistry+"/"); ok {
		repo = "docker.io/" + rest
	}
	return repo + "@" + digest.String()
}

func (o Options) nameOptions() []name.Option {
	if o.Insecure {
		return []name.Option{name.Insecure}
	}
	return nil
}

func (o Options) remoteOptions(ctx context.Context, t http.RoundTripper) []remote.Option {
	keychain := o.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	opts := []remote.Option{remote.WithContext(ctx), remote.WithTransport(t), remote.WithAuthFromKeychain(keychain)}
	if o.backoff != nil {
		opts = append(opts, remote.WithRetryBackoff(*o.backoff))
	}
	return opts
}

// countingTransport keeps requests off plain HTTP unless that is allowed, and
// counts the blobs that travel.
type countingTransport struct {
	next     http.RoundTripper
	insecure bool

	mu   sync.Mutex
	sent map[string]bool
	had  map[string]bool
}

func newTransport(o Options) *countingTransport {
	next := o.Transport
	if next == nil {
		next = remote.DefaultTransport
	}
	return &countingTransport{next: next, insecure: o.Insecure, sent: map[string]bool{}, had: map[string]bool{}}
}

// RoundTrip refuses plain HTTP to other machines: the login would be readable
// on the way.
func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" && !t.insecure && !thisMachine(r.URL.Hostname()) {
		return nil, &plainHTTPError{host: r.URL.Host}
	}
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		t.count(r, answer.StatusCode)
	}
	return answer, err
}

func (t *countingTransport) count(r *http.Request, status int) {
	if !strings.Contains(r.URL.Path, "/blobs/") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPut && status == http.StatusCreated:
		t.sent[query.Get("digest")] = true
	case r.Method == http.MethodPost && status == http.StatusCreated && query.Has("mount"):
		t.had[query.Get("mount")] = true
	case r.Method == http.MethodHead && status == http.StatusOK:
		t.had[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]] = true
	}
}

func (t *countingTransport) counts() (uploaded, skipped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent), len(t.had)
}

func (t *countingTransport) uploaded(digest string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[digest]
}

func thisMachine(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
