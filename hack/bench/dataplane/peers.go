// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"embed"
	"strings"
	"text/template"

	"github.com/kubectl-aml/kubectl-aml/internal/engines"
)

//go:embed peers
var peerFiles embed.FS

// peer is another engine with a configuration for the same work.
type peer struct {
	name    string
	file    string
	install func(context.Context, string) (engines.Program, error)
	args    func(file string, port int) []string
}

func peers() []peer {
	return []peer{
		{envoyName, "envoy.yaml", engines.Envoy, func(file string, _ int) []string {
			return []string{"-c", file, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"}
		}},
		{haproxyName, "haproxy.cfg", engines.HAProxy, func(file string, _ int) []string {
			return []string{"-db", "-f", file}
		}},
		{"nginx", "nginx.conf", engines.Nginx, func(file string, _ int) []string {
			return []string{"-p", strings.TrimSuffix(file, "nginx.conf"), "-c", file, "-e", "stderr"}
		}},
		{traefikName, "traefik.yaml", engines.Traefik, func(file string, port int) []string {
			return []string{"--entrypoints.web.address=" + address(port), "--providers.file.filename=" + file,
				"--metrics.prometheus.addserviceslabels=true", "--log.level=WARN",
				"--global.checknewversion=false", "--global.sendanonymoususage=false"}
		}},
		{caddyName, "Caddyfile", engines.Caddy, func(file string, _ int) []string {
			return []string{"run", "--config", file, "--adapter", "caddyfile"}
		}},
	}
}

// startPeer starts a peer in front of two backends.
func (l *lab) startPeer(ctx context.Context, p peer, blue, green int) (setup, error) {
	program, err := p.install(ctx, l.cache)
	if err != nil {
		return setup{}, err
	}
	port, err := l.freePort()
	if err != nil {
		return setup{}, err
	}
	config, err := template.ParseFS(peerFiles, "peers/"+p.file)
	if err != nil {
		return setup{}, err
	}
	var text strings.Builder
	err = config.Execute(&text, map[string]any{
		"Port": port, "Blue": blue, "Green": green, "Primary": primary, "Secondary": secondary,
	})
	if err != nil {
		return setup{}, err
	}
	file, err := l.write(p.name, p.file, text.String())
	if err != nil {
		return setup{}, err
	}
	running, err := l.start(p.name, enginesCore, program, nil, p.args(file, port)...)
	if err != nil {
		return setup{}, err
	}
	s := setup{name: p.name, url: "http://" + address(port), processes: []*process{running}}
	return s, l.ready(s)
}
