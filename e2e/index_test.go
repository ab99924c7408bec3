// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// packageIndex is the way from a build in the cluster to the package index of
// this machine's pip, and to nothing else: a proxy on the nodes' network that
// knows the index's hosts and no other. It returns a configuration of pip with
// it. It ends with the test.
func packageIndex(t *testing.T) (pipConfig string) {
	t.Helper()
	index := indexURL(t)
	page := fetch(t, strings.TrimSuffix(index, "/")+"/pip/")
	allowed := map[string]bool{hostPort(t, index): true}
	for _, link := range regexp.MustCompile(`href="(https://[^"]+)"`).FindAllStringSubmatch(page, -1) {
		allowed[hostPort(t, link[1])] = true
	}
	var listen net.ListenConfig
	gateway := strings.TrimSpace(output(t, "docker", "network", "inspect", "kind", "--format",
		"{{(index .IPAM.Config 0).Gateway}}"))
	listener, err := listen.Listen(t.Context(), "tcp4", net.JoinHostPort(gateway, "0"))
	must(t, err)
	server := &http.Server{Handler: tunnels(allowed), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	file := filepath.Join(t.TempDir(), "pip.conf")
	config := "[global]\nindex-url = " + index + "\nproxy = http://" + listener.Addr().String() + "\n"
	must(t, os.WriteFile(file, []byte(config), 0o600))
	return file
}

// indexURL is the index that pip is configured for, or its own.
func indexURL(t *testing.T) string {
	t.Helper()
	config := output(t, "python3", "-m", "pip", "config", "list")
	set := regexp.MustCompile(`(?m)\.index-url='(.+)'$`).FindStringSubmatch(config)
	if set != nil {
		return set[1]
	}
	return strings.TrimSpace(output(t, "python3", "-c",
		"from pip._internal.models.index import PyPI; print(PyPI.simple_url)"))
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	must(t, err)
	return string(out)
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must(t, err)
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the package index answers %s", response.Status)
	}
	return string(page)
}

func hostPort(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	if u.Port() == "" {
		return u.Hostname() + ":443"
	}
	return u.Host
}

// tunnels lets through what goes to an allowed host and port.
func tunnels(allowed map[string]bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !allowed[r.Host] {
			http.Error(w, "only the package index is reached from here", http.StatusForbidden)
			return
		}
		var dialer net.Dialer
		far, err := dialer.DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = far.Close() }()
		w.WriteHeader(http.StatusOK)
		near, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = near.Close() }()
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		go func() {
			defer cancel()
			_, _ = io.Copy(far, buffered)
		}()
		go func() {
			defer cancel()
			_, _ = io.Copy(near, far)
		}()
		<-ctx.Done()
	})
}
