// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// pushing are files that commands send to a registry: an environment that has to be
// built, with a layer of several megabytes; code; and a model of half a megabyte.
type pushing struct {
	*space
	script, config, model string
}

// newPushing makes the files, of which no registry has anything.
func newPushing(t *testing.T) *pushing {
	t.Helper()
	s := newSpace(t)
	dir := t.TempDir()
	p := &pushing{s, filepath.Join(dir, "score.py"), filepath.Join(dir, "inferenceconfig.json"), filepath.Join(dir, "model")}
	s.env = []string{environmentVar + "=" + os.Getenv(loaderVar)}
	loader := os.Getenv(loaderVar)
	text, err := json.Marshal(map[string]any{"entryScript": "score.py", "sourceDirectory": ".",
		"environment": map[string]any{"name": "loader", "python": map[string]any{"userManagedDependencies": true},
			"docker": map[string]any{"baseDockerfile": fmt.Sprintf("FROM %[1]s\nCOPY --from=%[1]s /loader /%[2]s\n", loader,
				s.namespace)}}})
	must(t, err)
	must(t, os.WriteFile(p.config, text, 0o600))
	p.change()
	return p
}

// change makes the code and the model new ones.
func (p *pushing) change() {
	p.t.Helper()
	weights := make([]byte, 500_000)
	_, err := rand.Read(weights)
	must(p.t, err)
	must(p.t, os.WriteFile(p.model, weights, 0o600))
	must(p.t, os.WriteFile(p.script, []byte(rand.Text()), 0o600))
}

// pushed is a command that sends something to a registry, and the repository there.
type pushed struct {
	args       []string
	repository string
}

// to is the command line for a registry.
func (c pushed) to(registry string) []string {
	return append(slices.Clone(c.args), "--registry", registry)
}

func (p *pushing) commands() map[string]pushed {
	return map[string]pushed{
		"build": {[]string{"build", "--inference-config", p.config, "--relative-to-file", "--builder", "docker"},
			"environments"},
		"deploy":         {[]string{"deploy", "faults", "-m", "faults=" + p.model, "--entry-script", p.script}, "faults"},
		"model register": {[]string{"model", "register", "-n", "faults", "-p", p.model}, "models/faults"},
	}
}

// at is a registry that has nothing.
func (p *pushing) at(host, path string) string { return host + "/" + p.namespace + "/" + path }

// tags are all that is tagged in a repository of the real registry.
func (p *pushing) tags(repository string) ([]string, error) {
	repo, err := name.NewRepository(p.at(os.Getenv(registryVar), repository))
	if err != nil {
		return nil, err
	}
	tags, err := remote.List(repo, remote.WithContext(p.t.Context()))
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return tags, err
}

// status is what a registry answered with; 0 if it is no answer of one.
func status(err error) int {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// Whatever the registry does in the middle of a push: what passes is survived, and
// all else is told in one line. Nothing half-pushed is deployed or found, and the
// next try sends what is missing.
func TestARegistryThatFails(t *testing.T) {
	t.Parallel()
	p, g := newPushing(t), newGate(t)
	g.pulled(t)
	p.survives(g)
	before := p.served()
	p.change()
	var all sync.WaitGroup
	all.Go(p.runsOutOfSpace)
	for name, f := range map[string]fault{
		"401": {answers(401, anywhere), `the registry wants a login (401): run "docker login HOST", then try again`},
		"404": {answers(404, uploads), "there is no such repository (404): correct the name, or create the repository"},
		"429": {answers(429, largeUploads), "the registry has had too many requests (429): wait a few minutes, " +
			"then try again; a login raises the limit"},
		"500": {answers(500, largeUploads), "the registry failed (500): try again later; if it stays, look at the " +
			"registry's logs"},
		"reset": {resetLarge, "HOST broke the connection off: try again; if it stays, look at the registry's logs"},
	} {
		for _, c := range p.commands() {
			way := newGate(t)
			all.Go(func() { p.tells(f, c, way, name) })
		}
	}
	all.Wait()
	if after := p.served(); after != before {
		t.Errorf("the endpoint was\n%s\nand is\n%s", before, after)
	}
	g.uploads()
	p.ok(p.commands()["deploy"].to(p.at(g.registry, "reset"))...)
	p.assertLarge("deploy again", g.uploads(), 1)
	if after := p.served(); after == before {
		t.Errorf("the endpoint is still\n%s", after)
	}
}

// served is what is told of the endpoint, which has to answer.
func (p *pushing) served() string {
	p.t.Helper()
	if got := p.ok("invoke", "faults", "-d", "7").out; strings.TrimSpace(got) != "7" {
		p.t.Errorf("the endpoint answers %q", got)
	}
	return p.ok("get", "endpoint", "faults", "-o", "yaml").out
}

// survives has each command meet three faults that do not last. Only the blob that
// met one is sent again.
func (p *pushing) survives(forDeploy *gate) {
	p.t.Helper()
	var all sync.WaitGroup
	for name, c := range p.commands() {
		way := forDeploy
		if name != "deploy" {
			way = newGate(p.t)
		}
		// A blob is sent three times at most, so it meets two of them.
		limit, cut, fail := times(1, answers(429, largeUploads)), times(1, resetLarge), times(1, answers(500, manifests))
		way.fails(func(w http.ResponseWriter, r *http.Request) bool { return limit(w, r) || cut(w, r) || fail(w, r) })
		all.Go(func() {
			r := p.run(c.to(p.at(way.registry, "survived"))...)
			if n := strings.Count(r.err, way.host+" asks to wait for 1s\n"); n != 1 || r.code != 0 {
				p.t.Errorf("%s ended with %d and told %d times of a wait:\n%s", name, r.code, n, r.err)
			}
			p.assertLarge(name, way.uploads(), 3)
		})
	}
	all.Wait()
}

// fault is what goes wrong, and what a command says of it.
type fault struct {
	of   func(http.ResponseWriter, *http.Request) bool
	want string
}

// tells has a command meet a fault that lasts, and then tries again without it.
func (p *pushing) tells(f fault, c pushed, way *gate, path string) {
	way.fails(f.of)
	args := c.to(p.at(way.registry, path))
	p.assertTold(p.run(args...), strings.ReplaceAll(f.want, "HOST", way.host))
	if tags, err := p.tags(path + "/" + c.repository); err != nil || len(tags) > 0 {
		p.t.Errorf("%s: tags in %s: %v, %v", path, c.repository, tags, err)
	}
	if c.args[0] == "deploy" {
		return // the endpoint stays as it is until all is seen
	}
	way.uploads()
	way.fails(nil)
	if again := p.run(args...); again.code != 0 {
		p.t.Errorf("%s: %s again ended with %d:\n%s", path, c.args[0], again.code, again.err)
	}
	p.assertLarge(path+": "+c.args[0]+" again", way.uploads(), 1)
}

// assertTold wants an error in one line, which ends in one of these ways.
func (p *pushing) assertTold(r said, wants ...string) {
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	last := lines[len(lines)-1]
	if r.code != 1 || !strings.HasPrefix(last, "error: cannot ") ||
		!slices.ContainsFunc(wants, func(want string) bool { return strings.HasSuffix(last, ": "+want) }) ||
		strings.Count(r.err, "error: ") != 1 || r.out != "" {
		p.t.Errorf("ended with %d:\n%s%swant one of %q", r.code, r.out, r.err, wants)
	}
}

// assertLarge wants the one large blob sent so often, and each of the others once.
func (p *pushing) assertLarge(what string, sent map[int64]int, want int) {
	large := 0
	for size, n := range sent {
		if size > 100_000 {
			large += n
		} else if n != 1 {
			p.t.Errorf("%s sent a blob of %d bytes %d times", what, size, n)
		}
	}
	if large != want {
		p.t.Errorf("%s sent the large blob %d times, want %d: %v", what, large, want, sent)
	}
}

// answers is a fault with a status.
func answers(status int, where func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !where(r) {
			return false
		}
		switch status {
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		case http.StatusTooManyRequests:
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status)
		return true
	}
}

func anywhere(*http.Request) bool { return true }

func uploads(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }

func manifests(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

func largeUploads(r *http.Request) bool {
	return r.Method == http.MethodPatch && r.ContentLength > 100_000
}

// runsOutOfSpace has each command meet a registry with no room for what it sends,
// then one with room.
func (p *pushing) runsOutOfSpace() {
	r, err := newSmallRegistry(p.t)
	if err == nil {
		err = r.keep("head -c $((32 * 1024 * 1024 - 300000)) /dev/zero > /var/lib/registry/filler")
	}
	if err != nil {
		p.t.Error(err)
		return
	}
	for _, c := range p.commands() {
		p.assertTold(p.run(c.to(p.at(r.host, "full"))...),
			"the registry's disk is full (500): make room there, then try again",
			"the registry did not keep what it was sent (416): see whether its disk is full, then try again")
	}
	if err := r.keep("rm /var/lib/registry/filler"); err != nil {
		p.t.Error(err)
	}
	for name, c := range p.commands() {
		if name == "deploy" {
			continue // the nodes know nothing of this registry
		}
		if again := p.run(c.to(p.at(r.host, "full"))...); again.code != 0 {
			p.t.Errorf("%s in a registry with room again ended with %d:\n%s", name, again.code, again.err)
		}
	}
}

// smallRegistry is the real registry once more, with 32 MiB of disk.
type smallRegistry struct{ id, host string }

func newSmallRegistry(t *testing.T) (smallRegistry, error) {
	t.Helper()
	_, port, _ := strings.Cut(registryHost(), ":")
	from, err := imageOf("publish=" + port)
	if err != nil {
		return smallRegistry{}, err
	}
	var r smallRegistry
	r.id, err = engine("run", "--detach", "--rm", "--label", runLabel(), "--publish", "127.0.0.1::5000", "--mount", "type=volume,"+
		"dst=/var/lib/registry,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=32m", from)
	if err != nil {
		return r, err
	}
	t.Cleanup(func() { _, _ = engine("kill", r.id) })
	if r.host, err = engine("port", r.id, "5000/tcp"); err != nil {
		return r, err
	}
	return r, wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true,
		func(ctx context.Context) (bool, error) {
			return image.Reach(ctx, r.host+"/none", image.Options{}) == nil, nil
		})
}

// keep runs a script that sees the registry's disk, in the image of a node.
func (r smallRegistry) keep(script string) error {
	node, err := imageOf("label=io.x-k8s.kind.role=control-plane")
	if err != nil {
		return err
	}
	_, err = engine("run", "--rm", "--network", "none", "--volumes-from", r.id, "--entrypoint", "sh", node, "-euc", script)
	return err
}

// imageOf is the image of the first container that a filter finds.
func imageOf(filter string) (string, error) {
	ids, err := engine("ps", "--quiet", "--filter", filter)
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(ids, "\n")
	return engine("inspect", "--format", "{{.Image}}", id)
}

// engine has Docker's engine do something.
func engine(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %v: %w: %s", args, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
