// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// Builder is the name of builders with ACR Tasks.
const Builder = "acr"

// title is what it is called in messages.
const title = "ACR Tasks"

// Options say how ACR Tasks is reached.
type Options struct {
	// Azure is how the resource manager is reached: the registry is looked for in
	// its subscription.
	Azure aks.Options
	// Interval is the time between two looks at a run; 3 s if 0.
	Interval time.Duration
	// Timeout is how long a run may take; 2 h if 0. ACR Tasks ends it then.
	Timeout time.Duration
	// Keychain has the login for reading what was built; nil is that of Docker's
	// configuration, then Keychain.
	Keychain authn.Keychain
	// Transport reads what was built; nil is that of go-containerregistry.
	Transport http.RoundTripper
}

// Tasks builds in a container registry of Azure, with one run of ACR Tasks for
// each image. registry is NAME.azurecr.io, or a path in it; images are pushed to
// the repository environments below, with a tag that begins with build-, from
// there: nothing travels but the Dockerfile, and nobody has to be logged in here to
// push. It refuses other registries with a *build.UnavailableError, and sends
// nothing yet.
//
// Secrets of a Request travel with the run as secret values, through Azure's
// resource manager, and are mounted while it builds: they are in no layer and in no
// log. Images to start from have to be
// public, or in the registry itself: logins of this machine are not sent.
func Tasks(cred azcore.TokenCredential, registry string, o Options) (build.Builder, error) {
	repository, err := name.NewRepository(strings.TrimSuffix(registry, "/")+"/environments", name.StrictValidation)
	if err != nil || !Server(repository.RegistryStr()) {
		return nil, &build.UnavailableError{Builder: title, Err: err,
			Reason: fmt.Sprintf("registry %q is none of Azure: write --registry NAME.azurecr.io, or another --builder",
				registry)}
	}
	o.Azure.Credential = cred
	o.Interval, o.Timeout = cmp.Or(o.Interval, 3*time.Second), cmp.Or(o.Timeout, 2*time.Hour)
	if o.Azure.Clock == nil {
		o.Azure.Clock = clock.RealClock{}
	}
	client, err := aks.New(o.Azure)
	if err != nil {
		return nil, err
	}
	blobs, err := newStorage(o.Azure.Transport, policy.RetryOptions{RetryDelay: o.Azure.RetryDelay})
	if err != nil {
		return nil, err
	}
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain(authn.DefaultKeychain,
			Keychain(cred, KeychainOptions{Transport: o.Azure.Transport, Clock: o.Azure.Clock, Tell: o.Azure.Tell}))
	}
	if o.Transport == nil {
		o.Transport = remote.DefaultTransport
	}
	return &tasks{o: o, client: client, storage: blobs, repository: repository}, nil
}

type tasks struct {
	o          Options
	client     *aks.Client
	storage    storage
	repository name.Repository
}

// Name implements build.Builder.
func (t *tasks) Name() string { return title + " of " + t.repository.RegistryStr() }

// Build implements build.Builder. Errors of Azure are *aks.Error; those that say
// that ACR Tasks cannot be used at all are a *build.UnavailableError.
func (t *tasks) Build(ctx context.Context, r build.Request) (build.Result, error) {
	r.Platform = cmp.Or(r.Platform, "linux/amd64")
	if r.Log == nil {
		r.Log = func(string) {}
	}
	secrets, err := read(r.Secrets)
	if err != nil {
		return build.Result{}, err
	}
	if err := check(r, secrets); err != nil {
		return build.Result{}, err
	}
	image := t.repository.Tag(tagOf(r))
	digest, err := t.run(ctx, r, image, secrets)
	if err != nil {
		return build.Result{}, err
	}
	built, err := t.image(ctx, r.Platform, image, digest)
	if err != nil {
		return build.Result{}, err
	}
	return build.Result{Image: built, Close: func() error { return nil }}, nil
}

// run builds image in the registry, and returns its digest if ACR Tasks tells it.
func (t *tasks) run(ctx context.Context, r build.Request, image name.Tag, secrets map[string][]byte) (string, error) {
	server := t.repository.RegistryStr()
	id, err := t.client.Registry(ctx, t.o.Azure.Subscription, server)
	if err != nil {
		return "", unavailable(err)
	}
	at, err := arm.ParseResourceID(id)
	if err != nil {
		return "", fmt.Errorf("registry %s: Azure gave %q as its id: %w", server, id, err)
	}
	runs, err := newRuns(t, at)
	if err != nil {
		return "", err
	}
	path, err := runs.upload(ctx, r.Dockerfile)
	if err != nil {
		return "", err
	}
	steps, values := newTask(r, image.String(), secrets, t.o.Timeout)
	request, err := newRun(steps, values, r.Platform, path, t.o.Timeout)
	if err != nil {
		return "", err
	}
	run, err := runs.schedule(ctx, request)
	if err != nil {
		return "", err
	}
	r.Log("run " + run + " of registry " + server)
	by := follower{tell: r.Log, clean: build.Telling(secrets)}
	digest, err := runs.follow(ctx, run, by, t.repository.RepositoryStr())
	if ctx.Err() != nil {
		runs.cancel(ctx, run)
		return "", ctx.Err()
	}
	return digest, err
}

// image is the image of platform that was pushed. Its digest is that of the run:
// a tag may have been set by another one meanwhile.
func (t *tasks) image(ctx context.Context, platform string, tag name.Tag, digest string) (v1.Image, error) {
	on, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	var reference name.Reference = tag
	if digest != "" {
		reference = t.repository.Digest(digest)
	}
	built, err := remote.Image(reference, remote.WithContext(ctx), remote.WithPlatform(*on),
		remote.WithAuthFromKeychain(t.o.Keychain), remote.WithTransport(t.o.Transport))
	if err != nil {
		return nil, fmt.Errorf("%s was built, but cannot be read: %w", reference, err)
	}
	return built, nil
}

// read reads the files of secrets.
func read(files map[string]string) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	for id, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("secret %s of the build: %w", id, err)
		}
		secrets[id] = text
	}
	return secrets, nil
}
