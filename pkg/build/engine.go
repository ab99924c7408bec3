// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/moby/client"
)

// engine is Docker's engine, which has a BuildKit in it.
type engine struct {
	docker *client.Client
	at     place
	// own is set when the engine keeps images in containerd: its BuildKit can then
	// send them, and nothing is left in the engine.
	own bool
	// now is what its clock said when it was asked; zero if that is not known.
	now time.Time
}

// Engine builds with the Docker engine that Docker's own command would call: the
// one at DOCKER_HOST, else that of the context that DOCKER_CONTEXT names, else of
// the one that "docker context use" has chosen, else the one at the usual place,
// with the certificates that belong to it. A host by SSH is called with this
// machine's ssh. The engine is asked whether it answers and has a BuildKit, and an
// *UnavailableError tells if not, and if there is no such context.
//
// An engine that does not keep images in containerd has it in its store, under the
// name kubectl-aml-build/…, while it is read. What a process that is killed
// meanwhile leaves there, a build removes that begins more than a day later.
func Engine(ctx context.Context, getenv func(string) string) (Builder, error) {
	none := func(err error) (Builder, error) {
		return nil, &UnavailableError{Builder: "Docker", Reason: oneLine(err.Error()), Err: err}
	}
	at, err := locate(getenv)
	if err != nil {
		return none(err)
	}
	docker, err := at.call()
	if err != nil {
		return none(err)
	}
	e := &engine{docker: docker, at: at}
	if reason, err := e.check(ctx); reason != "" {
		return nil, &UnavailableError{Builder: "Docker", Reason: reason, Err: errors.Join(err, docker.Close())}
	}
	return e, nil
}

// check tells why the engine cannot build; nothing if it can.
func (e *engine) check(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.at.patience())
	defer cancel()
	if _, err := e.docker.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return e.at.unanswered(err), err
	}
	info, err := e.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Sprintf("its engine at %s does not say what it is: %s: look at its logs", e.at, oneLine(err.Error())), err
	}
	e.now, _ = time.Parse(time.RFC3339Nano, info.Info.SystemTime)
	for _, status := range info.Info.DriverStatus {
		e.own = e.own || status[0] == "driver-type" && strings.Contains(status[1], "io.containerd.snapshotter")
	}
	c, err := e.dial(ctx)
	if err != nil {
		return "its BuildKit cannot be called: " + oneLine(err.Error()), err
	}
	_, err = c.ListWorkers(ctx)
	if err := errors.Join(err, c.Close()); err != nil {
		return fmt.Sprintf("its engine at %s (%s) has no BuildKit that answers: update Docker to 20.10 or later",
			e.at, info.Info.ServerVersion), err
	}
	return "", nil
}

// dial reaches the engine's BuildKit through the engine's own API.
func (e *engine) dial(ctx context.Context) (*buildkit.Client, error) {
	return buildkit.New(ctx, "", buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return e.docker.DialHijack(ctx, "/grpc", "h2c", nil)
	}), buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
		return e.docker.DialHijack(ctx, "/session", proto, meta)
	}))
}

// Name is where the engine is.
func (e *engine) Name() string { return "Docker's engine at " + e.at.String() }

// Build builds in the engine. No call to it stays open: by SSH, each is a process.
func (e *engine) Build(ctx context.Context, r Request) (Result, error) {
	c, err := e.dial(ctx)
	if err != nil {
		return Result{}, explain(ctx, err, r, nil)
	}
	result, err := e.build(ctx, c, r)
	if closed := errors.Join(c.Close(), e.docker.Close()); err == nil && closed != nil {
		return Result{}, errors.Join(closed, result.Close())
	}
	return result, err
}

func (e *engine) build(ctx context.Context, c *buildkit.Client, r Request) (Result, error) {
	if e.own {
		return export(ctx, c, r, e.carry)
	}
	if err := supports(ctx, c, r.Platform); err != nil {
		return Result{}, explain(ctx, err, r, nil)
	}
	f, err := newFolder()
	if err != nil {
		return Result{}, err
	}
	img, err := e.kept(ctx, c, r, f)
	if err != nil {
		return Result{}, errors.Join(err, f.remove())
	}
	return Result{Image: img, Close: f.remove}, nil
}

// carry is not needed for an engine on this machine: what is localhost here, is
// localhost there.
func (e *engine) carry(ctx context.Context, f folder, r Request, opt *buildkit.SolveOpt) error {
	if e.at.near() {
		return nil
	}
	return carry(ctx, f, r, opt)
}

// kept has the engine keep the image for as long as it takes to read it.
func (e *engine) kept(ctx context.Context, c *buildkit.Client, r Request, f folder) (img v1.Image, err error) {
	opt, err := f.options(r)
	if err != nil {
		return nil, err
	}
	e.sweep(ctx, r)
	name := ownImages + strings.ToLower(rand.Text()) + ":latest"
	opt.Exports = []buildkit.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": name}}}
	defer func() { err = errors.Join(err, e.forget(ctx, name)) }()
	if err := run(ctx, c, r, opt); err != nil {
		return nil, err
	}
	return e.read(ctx, name, r, f)
}

// forget removes the engine's image, also when ctx has ended. What a user has
// tagged of it stays.
func (e *engine) forget(ctx context.Context, name string) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := e.docker.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("image %s is still in Docker's engine: %w; remove it with \"docker rmi %s\"", name, err, name)
	}
	return nil
}

// read brings the engine's image here. Layers that came with the image it was
// started from are those of its registry; what the build added is compressed.
func (e *engine) read(ctx context.Context, name string, r Request, f folder) (v1.Image, error) {
	r.log("reading the image from Docker's engine")
	saved := f.file("saved.tar")
	if err := e.save(ctx, name, saved); err != nil {
		return nil, explain(ctx, err, r, nil)
	}
	img, err := tarball.ImageFromPath(saved, nil)
	if err != nil {
		return nil, fmt.Errorf("what Docker's engine sent of %s is not an image: %w", r.Name, err)
	}
	config, err := img.RawConfigFile()
	layers, layersErr := img.Layers()
	if err := errors.Join(err, layersErr); err != nil {
		return nil, err
	}
	from := lent(ctx, r)
	defer os.Remove(saved)
	for i, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		if other, ok := from[id]; ok {
			layers[i] = other
			continue
		}
		if layers[i], err = pack(l, filepath.Join(f.path, "layer-"+strconv.Itoa(i))); err != nil {
			return nil, explain(ctx, err, r, nil)
		}
	}
	return assemble(config, layers)
}

func (e *engine) save(ctx context.Context, name, file string) error {
	content, err := e.docker.ImageSave(ctx, []string{name})
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err == nil {
		_, err = io.Copy(out, content)
		err = errors.Join(err, out.Close())
	}
	return errors.Join(err, content.Close())
}
