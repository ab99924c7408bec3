// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/bklog"
	"github.com/sirupsen/logrus"
	"github.com/tonistiigi/fsutil"
)

// epoch is 1980-01-01, which the layers of code and models have too: what is
// built at another time can still be the same.
const epoch = 315532800

// solve builds with a BuildKit that is not on this machine and brings the image
// here, where it is pushed with the login of whoever runs this: the builder is
// given none. Images to start from that only this machine can reach travel
// through it.
func solve(ctx context.Context, c *client.Client, r Request) (Result, error) {
	return export(ctx, c, r, carry)
}

// export builds; more adds to the options what this BuildKit needs.
func export(
	ctx context.Context, c *client.Client, r Request, more func(context.Context, folder, Request, *client.SolveOpt) error,
) (Result, error) {
	f, err := newFolder()
	if err != nil {
		return Result{}, err
	}
	img, err := f.export(ctx, c, r, more)
	if err != nil {
		return Result{}, errors.Join(err, f.remove())
	}
	return Result{Image: img, Close: f.remove}, nil
}

// export is the build into an OCI layout.
func (f folder) export(
	ctx context.Context, c *client.Client, r Request, more func(context.Context, folder, Request, *client.SolveOpt) error,
) (v1.Image, error) {
	if err := supports(ctx, c, r.Platform); err != nil {
		return nil, explain(ctx, err, r, nil)
	}
	opt, err := f.options(r)
	if err != nil {
		return nil, err
	}
	if err := more(ctx, f, r, &opt); err != nil {
		return nil, err
	}
	attrs := map[string]string{"oci-mediatypes": "true"}
	if declaresEpoch.MatchString(r.Dockerfile) {
		attrs["rewrite-timestamp"] = "true"
	}
	image := receive(f.file("image"))
	opt.Exports = []client.ExportEntry{{Type: client.ExporterOCI, Attrs: attrs,
		Output: func(map[string]string) (io.WriteCloser, error) { return image, nil }}}
	err = run(ctx, c, r, opt)
	var own *fs.PathError
	if received := image.end(); received != nil && (err == nil || errors.As(received, &own)) {
		err = explain(ctx, received, r, nil)
	}
	if err != nil {
		return nil, err
	}
	img, err := fromLayout(f.file("image"))
	if err != nil {
		return nil, fmt.Errorf("what the builder sent of %s is not an image: %w", r.Name, err)
	}
	return borrow(ctx, r, img)
}

// declaresEpoch is about Dockerfiles whose steps know the time that files will
// have. In others a new time would make Python compile its modules anew at each
// start, as it compares the time of a source with the one it was compiled at.
var declaresEpoch = regexp.MustCompile(`(?mi)^\s*ARG\s+SOURCE_DATE_EPOCH\b`)

// options are those that all exporters share. The Dockerfile is sent as the only
// file of a folder, and the context is an empty one.
func (f folder) options(r Request) (client.SolveOpt, error) {
	source, none := f.file("dockerfile"), f.file("context")
	for _, dir := range []string{source, none} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return client.SolveOpt{}, err
		}
	}
	if err := os.WriteFile(filepath.Join(source, "Dockerfile"), []byte(r.Dockerfile), 0o600); err != nil {
		return client.SolveOpt{}, err
	}
	mounts := map[string]fsutil.FS{}
	for name, dir := range map[string]string{"dockerfile": source, "context": none} {
		mount, err := fsutil.NewFS(dir)
		if err != nil {
			return client.SolveOpt{}, err
		}
		mounts[name] = mount
	}
	login, err := newLogins(r)
	if err != nil {
		return client.SolveOpt{}, err
	}
	attrs := map[string]string{"build-arg:SOURCE_DATE_EPOCH": strconv.Itoa(epoch)}
	if r.Platform != "" {
		attrs["platform"] = r.Platform
	}
	for name, value := range r.Arguments {
		attrs["build-arg:"+name] = value
	}
	return client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attrs,
		LocalMounts:   mounts,
		Session:       []session.Attachable{login},
	}, nil
}

// readSecrets reads them at once, so that one that is missing is told before
// anything is built.
func readSecrets(files map[string]string) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	var errs []error
	for id, file := range files {
		content, err := os.ReadFile(file)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("secret %s of the build: %w", id, err))
		case len(content) > secretsprovider.MaxSecretSize:
			errs = append(errs, fmt.Errorf("secret %s of the build: %s has more than %d bytes, the most that BuildKit takes",
				id, file, secretsprovider.MaxSecretSize))
		default:
			secrets[id] = content
		}
	}
	return secrets, errors.Join(errs...)
}

// run builds, and tells what the builder says meanwhile. It returns when the
// builder has ended too, also if ctx ended it.
func run(ctx context.Context, c *client.Client, r Request, opt client.SolveOpt) error {
	secrets, err := readSecrets(r.Secrets)
	if err != nil {
		return err
	}
	opt.Session = append(opt.Session, secretsprovider.FromMap(secrets))
	said := newProgress(r.log, secrets)
	statuses := make(chan *client.SolveStatus)
	told := make(chan struct{})
	go func() {
		defer close(told)
		for s := range statuses {
			said.update(s)
		}
	}()
	_, err = c.Solve(silent(ctx), nil, opt, statuses)
	<-told
	said.flush()
	if err != nil {
		return explain(ctx, err, r, said)
	}
	return nil
}

// silent keeps what BuildKit's client logs for itself off standard error: what
// matters of it is an error too.
func silent(ctx context.Context) context.Context {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	return bklog.WithLogger(ctx, logrus.NewEntry(logger))
}

func (r Request) keychain() authn.Keychain {
	if r.Keychain == nil {
		return authn.DefaultKeychain
	}
	return r.Keychain
}

func (r Request) log(line string) {
	if r.Log != nil {
		r.Log(line)
	}
}
