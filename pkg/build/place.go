// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	certificates "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"
	"github.com/moby/moby/client"
)

// place is where Docker's own command would look for its engine.
type place struct {
	docker.Endpoint
	// context is the one of Docker's contexts that says so; empty for the default.
	context string
	// another is how another place is named.
	another string
	// wrong is what to correct if the place cannot be right.
	wrong string
	// headers go with each request.
	headers map[string]string
}

// String is the address, and who says so.
func (p place) String() string {
	if p.context == "" {
		return p.Host
	}
	return fmt.Sprintf("%s of context %q", p.Host, p.context)
}

// locate finds what Docker's own command calls: DOCKER_HOST, else the context that
// DOCKER_CONTEXT names, else the one that "docker context use" has chosen, else
// the usual place.
func locate(getenv func(string) string) (place, error) {
	folder := configuration(getenv)
	file, err := config.Load(folder)
	if err != nil {
		return place{}, fmt.Errorf("its configuration cannot be used: %w: correct that file", err)
	}
	p := chosen(getenv, file)
	if p.context == "" {
		p.Endpoint, err = usual(getenv, folder)
	} else {
		p.Endpoint, err = p.stored(filepath.Join(folder, "contexts"))
	}
	p.Host, p.headers = cmp.Or(p.Host, client.DefaultDockerHost), file.HTTPHeaders
	return p, err
}

// configuration is the folder that Docker's own command has its configuration in. A
// user of whom no variable says where they are at home is looked up, as it does.
func configuration(getenv func(string) string) string {
	home := getenv("HOME")
	if runtime.GOOS == "windows" {
		home = getenv("USERPROFILE")
	}
	if folder := getenv(config.EnvOverrideConfigDir); folder != "" || home == "" {
		return cmp.Or(folder, config.Dir())
	}
	return filepath.Join(home, ".docker")
}

// chosen says which context is asked for, and by what.
func chosen(getenv func(string) string, file *configfile.ConfigFile) place {
	const usual = "default"
	if getenv(client.EnvOverrideHost) != "" {
		return place{another: "name another with DOCKER_HOST", wrong: "DOCKER_HOST"}
	}
	p := place{context: getenv("DOCKER_CONTEXT"), another: "name another context with DOCKER_CONTEXT",
		wrong: "DOCKER_CONTEXT"}
	if p.context == "" {
		p = place{context: file.CurrentContext, another: "choose another with \"docker context use\"",
			wrong: "currentContext in " + file.Filename}
	}
	if p.context == "" || p.context == usual {
		return place{another: "name another with DOCKER_HOST or \"docker context use\"", wrong: "DOCKER_HOST"}
	}
	return p
}

// usual is the place that no context names, with the TLS that the variables ask for.
func usual(getenv func(string) string, folder string) (docker.Endpoint, error) {
	verified := getenv(client.EnvTLSVerify) != ""
	secure := verified || getenv("DOCKER_TLS") != ""
	wrong := func(err error) (docker.Endpoint, error) {
		return docker.Endpoint{}, fmt.Errorf("the settings of its client are wrong: %w: correct DOCKER_HOST, "+
			"DOCKER_CERT_PATH or DOCKER_TLS_VERIFY", err)
	}
	host, err := opts.ParseHost(secure, getenv(client.EnvOverrideHost))
	if err != nil {
		return wrong(err)
	}
	e := docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: host, SkipTLSVerify: secure && !verified}}
	if !secure {
		return e, nil
	}
	file := func(name string) string {
		return filepath.Join(cmp.Or(getenv(client.EnvOverrideCertPath), folder), name)
	}
	own := func(name string) string {
		if _, err := os.Stat(file(name)); os.IsNotExist(err) {
			return ""
		}
		return file(name)
	}
	if e.TLSData, err = certificates.TLSDataFromFiles(file("ca.pem"), own("cert.pem"), own("key.pem")); err != nil {
		return wrong(err)
	}
	return e, nil
}

// stored is what Docker's context has of an engine, with its certificates.
func (p place) stored(folder string) (docker.Endpoint, error) {
	contexts := store.New(folder, store.NewConfig(nil,
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} })))
	about, err := contexts.GetMetadata(p.context)
	if errors.Is(err, os.ErrNotExist) {
		return docker.Endpoint{}, fmt.Errorf("there is no context %q in %s: correct %s to one that \"docker context ls\" "+
			"shows", p.context, folder, p.wrong)
	}
	var meta docker.EndpointMeta
	if err == nil {
		meta, err = docker.EndpointFromContext(about)
	}
	var e docker.Endpoint
	if err == nil {
		e, err = docker.WithTLSData(contexts, p.context, meta)
	}
	if err != nil {
		return e, fmt.Errorf("its context %q cannot be used: %w: correct it, or %s", p.context, err, p.another)
	}
	return e, nil
}

// call makes what calls the engine there; by SSH, it is the machine's ssh.
func (p place) call() (*client.Client, error) {
	options, err := p.ClientOpts()
	if err == nil && len(p.headers) > 0 {
		options = append(options, client.WithHTTPHeaders(p.headers))
	}
	var docker *client.Client
	if err == nil {
		docker, err = client.New(options...)
	}
	if err != nil {
		return nil, fmt.Errorf("the settings of its client for %s are wrong: %w: correct %s, its certificates or "+
			"DOCKER_API_VERSION", p, err, p.wrong)
	}
	return docker, nil
}

func (p place) bySSH() bool { return strings.HasPrefix(p.Host, "ssh://") }

// patience is how long the engine may take to say what it is. Each call by SSH
// is a login.
func (p place) patience() time.Duration {
	if p.bySSH() {
		return time.Minute
	}
	return 15 * time.Second
}

// near tells whether it is on this machine.
func (p place) near() bool {
	scheme, rest, _ := strings.Cut(p.Host, "://")
	if scheme == "unix" || scheme == "npipe" {
		return true
	}
	name, _, err := net.SplitHostPort(strings.Split(rest, "/")[0])
	return err == nil && thisMachine(name)
}

// unanswered is why an engine does not answer, and what to do.
func (p place) unanswered(err error) string {
	text := oneLine(err.Error())
	switch {
	case errors.Is(err, os.ErrPermission), has(text, "permission denied while trying to connect"):
		return fmt.Sprintf("its engine at %s does not let you in: join the group docker, or run this as root", p)
	case p.bySSH() && client.IsErrConnectionFailed(err):
		return fmt.Sprintf("no engine is reached at %s: %s: see that \"ssh HOST docker version\" works without a question, "+
			"or %s", p, saidBySSH(text), p.another)
	case has(text, "tls:", "x509:", "TLS-enabled daemon", "HTTPS client", "HTTPS server"):
		return fmt.Sprintf("its engine at %s and this machine do not trust each other: %s: correct the certificates, or %s",
			p, shorten(text), p.another)
	case client.IsErrConnectionFailed(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no engine answers at %s: start Docker, %s, or build with BuildKit, in the cluster or with ACR "+
			"Tasks", p, p.another)
	default:
		return fmt.Sprintf("its engine at %s is none that builds: %s: update Docker to 20.10 or later, or %s", p, text,
			p.another)
	}
}

// saidBySSH is what ssh, or the docker that it ran there, said of why it ended.
func saidBySSH(text string) string {
	if _, said, found := strings.Cut(text, "stderr="); found && said != "" {
		return shorten(said)
	}
	_, said, _ := strings.Cut(text, `/_ping": `)
	return shorten(cmp.Or(said, text))
}
