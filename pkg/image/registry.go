// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/utils/clock"
)

// Resolve pins an image to the digest that its tag has now. The answer is
// NAME@sha256:…; a reference with a digest is only looked up. An image for
// several platforms keeps the digest of its index. Errors are as in Package.
func Resolve(ctx context.Context, ref string, o Options) (string, error) {
	parsed, err := parseImage(ref, o)
	if err != nil {
		return "", err
	}
	desc, err := remote.Head(parsed, o.remoteOptions(ctx, newTransport(o))...)
	if err != nil {
		return "", explain(err, "look up", ref)
	}
	return pinned(parsed, desc.Digest), nil
}

// Reach tells whether the registry of a repository answers and would take an
// image from whoever is logged in, as far as that can be told without sending
// one. Errors are as in Package.
func Reach(ctx context.Context, repository string, o Options) error {
	repo, err := parseRepository(repository, o)
	if err != nil {
		return err
	}
	login, err := authn.Resolve(ctx, o.keychain(), repo)
	if err != nil {
		return explain(err, "reach", repo.Name())
	}
	push := []string{repo.Scope(transport.PushScope)}
	_, err = transport.NewWithContext(ctx, repo.Registry, login, newTransport(o), push)
	if err != nil {
		return explain(err, "reach", repo.Name())
	}
	return nil
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

// Read returns an image, of several for linux/amd64. Its layers are read from the
// registry when they are opened. Errors are as in Package.
func Read(ctx context.Context, ref string, o Options) (v1.Image, error) {
	img, _, err := pull(ctx, ref, o, newTransport(o))
	return img, err
}

// push writes what the repository does not have yet.
func push(ctx context.Context, repo name.Repository, img v1.Image, o Options, t *countingTransport) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", explain(err, pushTo, repo.Name())
	}
	ref := repo.Digest(digest.String())
	err = remote.Write(ref, img, o.remoteOptions(ctx, t)...)
	if changed := changedLayer(img); changed != nil {
		return "", changed
	}
	if err != nil {
		return "", explain(err, pushTo, repo.Name())
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
	opts := []remote.Option{remote.WithContext(ctx), remote.WithTransport(t), remote.WithAuthFromKeychain(o.keychain())}
	if o.backoff != nil {
		opts = append(opts, remote.WithRetryBackoff(*o.backoff))
	}
	if o.puller != nil {
		opts = append(opts, remote.Reuse(o.puller))
	}
	return opts
}

// countingTransport keeps requests off plain HTTP unless that is allowed, and
// notes the blobs that travel.
type countingTransport struct {
	next http.RoundTripper
	// broken is why nothing can be sent; nil if it can.
	broken   error
	insecure bool
	clock    clock.Clock
	log      func(string)

	progress *progress

	mu   sync.Mutex
	sent map[string]bool
}

func newTransport(o Options) *countingTransport {
	next, err := o.Carrier()
	return &countingTransport{next: next, broken: err, insecure: o.Insecure, clock: o.clock(), log: o.log,
		progress: &progress{clock: o.clock(), log: o.log}, sent: map[string]bool{}}
}

// RoundTrip refuses plain HTTP to other machines: the login would be readable
// on the way.
func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.broken != nil {
		return nil, t.broken
	}
	if r.URL.Scheme == "http" && !t.insecure && !thisMachine(r.URL.Hostname()) {
		return nil, &plainHTTPError{host: r.URL.Host}
	}
	answer, err := t.next.RoundTrip(t.progress.counted(r))
	if err == nil && r.Method == http.MethodHead && answer.StatusCode == http.StatusMethodNotAllowed {
		answer, err = t.headByGet(r, answer)
	}
	if err == nil && answer.StatusCode == http.StatusTooManyRequests {
		t.obey(r, answer.Header.Get("Retry-After"))
	}
	if err == nil && r.Method == http.MethodPut && answer.StatusCode == http.StatusCreated {
		// Only the end of a blob's upload has a digest; what its path is, each
		// registry decides.
		t.mu.Lock()
		defer t.mu.Unlock()
		t.sent[r.URL.Query().Get("digest")] = true
	}
	return answer, err
}

// obey waits as long as a registry asks to, within reason. Whoever made the
// request tries again a few times.
func (t *countingTransport) obey(r *http.Request, after string) {
	const most = 30 * time.Second
	seconds, err := strconv.Atoi(after)
	wait := time.Duration(seconds) * time.Second
	if when, dateErr := http.ParseTime(after); dateErr == nil {
		wait, err = when.Sub(t.clock.Now()), nil
	}
	if err != nil || wait <= 0 {
		return
	}
	wait = min(wait, most)
	t.log(fmt.Sprintf("%s asks to wait for %s", r.URL.Host, wait.Round(time.Second)))
	timer := t.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C():
	}
}

// counts tells how many blobs of images were sent, and how many were not:
// their layers, each once, and their configs.
func (t *countingTransport) counts(images ...v1.Image) (uploaded, skipped int, err error) {
	blobs := map[string]bool{}
	for _, img := range images {
		manifest, err := img.Manifest()
		if err != nil {
			return 0, 0, err
		}
		blobs[manifest.Config.Digest.String()] = true
		for _, l := range manifest.Layers {
			blobs[l.Digest.String()] = true
		}
	}
	for digest := range blobs {
		if t.uploaded(digest) {
			uploaded++
		}
	}
	return uploaded, len(blobs) - uploaded, nil
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
