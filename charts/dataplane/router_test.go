// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
	"github.com/kubectl-aml/kubectl-aml/internal/engines"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// The keys of every endpoint in these tests.
const (
	primary   = "PRIMARYKEYPRIMARYKEYPRIMARYKEY01"
	secondary = "SECONDARYKEYSECONDARYKEYSECOND02"
)

// cacheFolder is where engines are kept between runs.
func cacheFolder(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "kubectl-aml", "engines")
}

// output gathers what an engine says.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// start runs an engine until the test ends.
func start(t *testing.T, program engines.Program, env []string, args ...string) *output {
	t.Helper()
	said := &output{}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program.Path, args...)
	command.Env = append(append([]string{"PATH=" + os.Getenv("PATH")}, program.Env...), env...)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		late := wall.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if !late.Stop() {
			t.Errorf("%s did not end on SIGTERM", filepath.Base(program.Path))
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program.Path), said)
		}
	})
	return said
}

// router is a running Envoy with the files of a rendered endpoint.
type router struct {
	t       *testing.T
	cluster *cluster
	folder  string
	ports   map[string]int // of the chart → of this router
	url     string
	metrics string
	said    *output
	swaps   int
}

// render returns the files of the endpoint "sentiment" with such values, as
// its routers' ConfigMap holds them.
func render(t *testing.T, values string) map[string]string {
	t.Helper()
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &parsed); err != nil {
		t.Fatal(err)
	}
	manifest, err := chart.Render(parsed, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
	if err != nil {
		t.Fatal(err)
	}
	return configMap(t, manifest, "sentiment-router")
}

func configMap(t *testing.T, manifest chart.Manifest, name string) map[string]string {
	t.Helper()
	for _, object := range manifest.Objects {
		var found corev1.ConfigMap
		if err := yaml.Unmarshal([]byte(object.Content), &found); err != nil {
			t.Fatal(err)
		}
		if found.Kind == "ConfigMap" && found.Name == name {
			return found.Data
		}
	}
	t.Fatalf("no ConfigMap %s", name)
	return nil
}

// authSlot is the slot's file for an endpoint with two keys.
func authSlot(t *testing.T, first, second string) map[string]string {
	t.Helper()
	text, err := charts.FS.ReadFile("inference/files/auth-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	slot := strings.NewReplacer("@PRIMARY@", first, "@SECONDARY@", second).Replace(string(text))
	return map[string]string{"ecds.yaml": slot}
}

// newRouter starts Envoy with what the values render to, and waits until it is
// ready.
func newRouter(t *testing.T, cluster *cluster, values string) *router {
	t.Helper()
	r := startRouter(t, cluster, render(t, values), authSlot(t, primary, secondary))
	r.waitReady()
	return r
}

// startRouter starts Envoy with such files and does not wait for it.
func startRouter(t *testing.T, cluster *cluster, files, slot map[string]string) *router {
	t.Helper()
	return startRouterWith(t, cluster, files, slot, nil)
}

// startRouterWith is startRouter with the files of a certificate.
func startRouterWith(t *testing.T, cluster *cluster, files, slot, pair map[string]string) *router {
	t.Helper()
	envoy, err := engines.Envoy(t.Context(), cacheFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &router{t: t, cluster: cluster, folder: t.TempDir(), ports: map[string]int{}}
	for _, port := range []string{"8080", "8443", "9901", "9902"} {
		r.ports[port] = freePort(t)
	}
	r.url = fmt.Sprintf("http://127.0.0.1:%d", r.ports["8080"])
	r.metrics = fmt.Sprintf("http://127.0.0.1:%d", r.ports["9902"])
	r.swap("router", files)
	r.swap("auth", slot)
	r.swap("tls", pair)
	r.said = start(t, envoy, nil, "-c", filepath.Join(r.folder, "router", "bootstrap.yaml"),
		"--disable-hot-restart", "--concurrency", "2", "--log-level", "warn",
		"--drain-time-s", "1", "--drain-strategy", "immediate")
	return r
}

// waitReady waits until the router takes requests and knows its pods.
func (r *router) waitReady() {
	r.t.Helper()
	eventually(r.t, 20*time.Second, "router ready", func() bool { return r.get("/-/ready").status == http.StatusOK })
}

// apply gives the router what the values render to, as the kubelet does, and
// waits until it says that it runs that.
func (r *router) apply(values string) {
	r.t.Helper()
	r.applyFiles(render(r.t, values))
}

func (r *router) applyFiles(files map[string]string) {
	r.t.Helper()
	_, want, _ := strings.Cut(files["rds.yaml"], `{\"hash\":\"`)
	want = want[:16]
	r.swap("router", files)
	eventually(r.t, 10*time.Second, "configuration "+want, func() bool { return r.hash() == want })
	// Clusters that are new have no pods before DNS has answered once.
	eventually(r.t, 10*time.Second, "warm clusters", func() bool {
		return !strings.Contains(r.stats(), "envoy_cluster_manager_warming_clusters{} ") ||
			strings.Contains(r.stats(), "envoy_cluster_manager_warming_clusters{} 0\n")
	})
}

// hash is the configuration that the router says it runs.
func (r *router) hash() string {
	var config struct{ Hash string }
	_ = json.Unmarshal([]byte(r.get("/-/config").body), &config)
	return config.Hash
}

// swap puts files into a folder as the kubelet does: a new folder, and one
// rename of the link ..data that all the files' links go through.
func (r *router) swap(name string, files map[string]string) {
	r.t.Helper()
	r.swaps++
	folder := filepath.Join(r.folder, name)
	fresh := fmt.Sprintf("..%d", r.swaps)
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(folder, fresh), 0o750))
	for file, text := range files {
		must(os.WriteFile(filepath.Join(folder, fresh, file), []byte(r.local(text)), 0o600))
		if _, err := os.Lstat(filepath.Join(folder, file)); os.IsNotExist(err) {
			must(os.Symlink(filepath.Join("..data", file), filepath.Join(folder, file)))
		}
	}
	must(os.Symlink(fresh, filepath.Join(folder, "..data_tmp")))
	must(os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
}

// local rewrites what of the files only holds in a pod: folders, ports and the
// DNS server.
func (r *router) local(text string) string {
	dns := r.cluster.dns.LocalAddr().(*net.UDPAddr).Port
	const options = "dns_resolver_options: {no_default_search_domain: true}"
	resolver := fmt.Sprintf("resolvers: [{socket_address: {address: 127.0.0.1, port_value: %d}}]", dns)
	replace := []string{"/etc/aml/", r.folder + "/", options, resolver + "\n          " + options}
	for port, here := range r.ports {
		replace = append(replace, "port_value: "+port, fmt.Sprintf("port_value: %d", here))
	}
	// So that a lost request tells why.
	const retry = `headers_to_add: [{header: {key: retry-after, value: "1"}}`
	const why = `, {header: {key: x-why, value: "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%"}}`
	replace = append(replace, retry, retry+why)
	return strings.NewReplacer(replace...).Replace(text)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// version is the version that answered, or "" when the router itself did.
func (a answer) version() string { return a.header.Get("azureml-model-deployment") }

// ask sends a request; headers are NAME, value pairs. A failed request has the
// status 0 and the error as its body.
func (r *router) ask(method, path string, body io.Reader, headers ...string) answer {
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		return answer{body: err.Error()}
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return do(http.DefaultClient, request)
}

func do(client *http.Client, request *http.Request) answer {
	response, err := client.Do(request)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(read)}
}

// get asks without a key.
func (r *router) get(path string) answer {
	return r.ask(http.MethodGet, path, nil)
}

// score asks for a score with the primary key.
func (r *router) score(headers ...string) answer {
	headers = append([]string{"Authorization", "Bearer " + primary}, headers...)
	return r.ask(http.MethodPost, "/api/v1/service/sentiment/score", strings.NewReader("{}"), headers...)
}
