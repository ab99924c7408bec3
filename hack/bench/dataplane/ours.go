// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
	"github.com/kubectl-aml/kubectl-aml/internal/engines"
	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// The endpoint as the chart renders it.
const (
	endpoint  = "bench"
	namespace = "ml"
)

// render renders the endpoint with such values.
func render(values string) (chart.Manifest, error) {
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &parsed); err != nil {
		return chart.Manifest{}, err
	}
	return chart.Render(parsed, chart.RenderOptions{Name: endpoint, Namespace: namespace})
}

// find reads the object of a kind and name out of a manifest.
func find(manifest chart.Manifest, kind, name string, into interface{ GetName() string }) error {
	for _, object := range manifest.Objects {
		if !strings.Contains("\n"+object.Content, "\nkind: "+kind+"\n") {
			continue
		}
		if err := yaml.Unmarshal([]byte(object.Content), into); err != nil {
			return err
		}
		if into.GetName() == name {
			return nil
		}
	}
	return fmt.Errorf("the chart makes no %s %s", kind, name)
}

// router starts the endpoint's router in front of what stands for the pods of each version.
func (l *lab) router(ctx context.Context, name string, manifest chart.Manifest, pods map[string][]int) (setup, error) {
	program, err := engines.Envoy(ctx, l.cache)
	if err != nil {
		return setup{}, err
	}
	ports, err := l.freePorts(3)
	if err != nil {
		return setup{}, err
	}
	if err := l.writeRouter(name, manifest, ports, pods); err != nil {
		return setup{}, err
	}
	boot := filepath.Join(l.folder, name, "router", "bootstrap.yaml")
	running, err := l.start(name, enginesCore, program, nil,
		"-c", boot, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn")
	if err != nil {
		return setup{}, err
	}
	s := setup{name: name, url: "http://" + address(ports[0]), processes: []*process{running}}
	return s, l.ready(s)
}

// writeRouter writes the router's files as they are in its pod, but with folders, ports and pods of here.
func (l *lab) writeRouter(name string, manifest chart.Manifest, ports []int, pods map[string][]int) error {
	var config corev1.ConfigMap
	if err := find(manifest, "ConfigMap", endpoint+"-router", &config); err != nil {
		return err
	}
	local := strings.NewReplacer("/etc/aml/", filepath.Join(l.folder, name)+"/",
		"port_value: 8080", "port_value: "+strconv.Itoa(ports[0]),
		"port_value: 9901", "port_value: "+strconv.Itoa(ports[1]),
		"port_value: 9902", "port_value: "+strconv.Itoa(ports[2]))
	for file, text := range config.Data {
		text = local.Replace(text)
		if file == "cds.yaml" {
			var err error
			if text, err = withPods(text, pods); err != nil {
				return err
			}
		}
		if _, err := l.write(filepath.Join(name, "router"), file, text); err != nil {
			return err
		}
	}
	slot, err := charts.FS.ReadFile("inference/files/auth-key.yaml")
	if err != nil {
		return err
	}
	keys := auth.Keys{Primary: auth.NewKey(primary), Secondary: auth.NewKey(secondary)}
	text, err := auth.RenderSlot(string(slot), keys)
	if err != nil {
		return err
	}
	_, err = l.write(filepath.Join(name, "auth"), "ecds.yaml", text)
	return err
}

// withPods is the router's file of clusters with pods of here in place of names that only a cluster's DNS knows.
func withPods(clusters string, pods map[string][]int) (string, error) {
	var file struct {
		Resources []map[string]any `json:"resources"`
	}
	if err := yaml.Unmarshal([]byte(clusters), &file); err != nil {
		return "", err
	}
	for _, cluster := range file.Resources {
		assignment, found := cluster["load_assignment"].(map[string]any)
		if !found {
			continue
		}
		version, _ := cluster["name"].(string)
		var here []any
		for _, port := range pods[version] {
			socket := map[string]any{"address": "127.0.0.1", "port_value": port}
			here = append(here, map[string]any{"endpoint": map[string]any{"address": map[string]any{"socket_address": socket}}})
		}
		assignment["endpoints"] = []any{map[string]any{"lb_endpoints": here}}
	}
	text, err := yaml.Marshal(file)
	return string(text), err
}

// limiter starts the limiter of a version in front of a scoring server.
func (l *lab) limiter(ctx context.Context, manifest chart.Manifest, version string, app int) (int, *process, error) {
	program, err := engines.HAProxy(ctx, l.cache)
	if err != nil {
		return 0, nil, err
	}
	ports, err := l.freePorts(2)
	if err != nil {
		return 0, nil, err
	}
	var config corev1.ConfigMap
	if err := find(manifest, "ConfigMap", endpoint+"-limiter", &config); err != nil {
		return 0, nil, err
	}
	name := fmt.Sprintf("limiter-%s-%d", version, ports[0])
	// Sockets with a name and no file belong to a pod there, and to the whole machine here.
	text := strings.ReplaceAll(config.Data["haproxy.cfg"], "abns@", "abns@"+filepath.Base(l.folder)+name)
	file, err := l.write(name, "haproxy.cfg", text)
	if err != nil {
		return 0, nil, err
	}
	env, err := variables(manifest, version, map[string]string{
		"LISTEN": address(ports[0]), "METRICS": address(ports[1]), "APP": address(app),
	})
	if err != nil {
		return 0, nil, err
	}
	running, err := l.start(name, enginesCore, program, env, "-W", "-db", "-f", file)
	if err != nil {
		return 0, nil, err
	}
	s := setup{name: name, url: "http://" + address(ports[0]), processes: []*process{running}}
	return ports[0], running, l.ready(s)
}

// variables are those of a version's limiter, with the addresses of here.
func variables(manifest chart.Manifest, version string, here map[string]string) ([]string, error) {
	var deployment appsv1.Deployment
	if err := find(manifest, "Deployment", endpoint+"-"+version, &deployment); err != nil {
		return nil, err
	}
	for _, container := range deployment.Spec.Template.Spec.InitContainers {
		if container.Name != "limiter" {
			continue
		}
		var env []string
		for _, variable := range container.Env {
			value, found := here[variable.Name]
			if !found {
				value = variable.Value
			}
			env = append(env, variable.Name+"="+value)
		}
		return env, nil
	}
	return nil, fmt.Errorf("version %s has no container limiter", version)
}
