// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package redeploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// What the environment is built of, in the folder.
const (
	environmentConfig = "environment.json"
	uncachedFile      = "Uncached"
	pipConfig         = "pip.conf"
	authorities       = "ca.crt"
)

// build writes what describes the environment for both ways. It has the base in the engine and the environment in the
// registry before anything is measured: somebody has deployed the model before.
func (s *space) build(ctx context.Context) error {
	fmt.Fprintln(s.Talk, "redeploy: the environment, once")
	packages, err := s.packages()
	if err != nil {
		return err
	}
	if err := s.index(ctx); err != nil {
		return err
	}
	if err := s.describe(packages); err != nil {
		return err
	}
	if _, err := s.engine(ctx, "pull", "-q", s.Base); err != nil {
		return err
	}
	_, err = s.measure(ctx, s.fromFiles)
	return err
}

// packages are the requirements without their sums, which conda's files seldom have.
func (s *space) packages() ([]string, error) {
	text, err := os.ReadFile(s.Packages)
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, " "); !strings.HasPrefix(line, "#") {
			found = append(found, strings.TrimSpace(name))
		}
	}
	return found, nil
}

// index is the package index of this machine's pip, for pip in a build: its configuration, and the certificates that it
// trusts.
func (s *space) index(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "config", "list").Output()
	if err != nil {
		return fmt.Errorf("python3 -m pip config list: %w", err)
	}
	set := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)\.(index-url|cert)='(.+)'$`).FindAllStringSubmatch(string(out), -1) {
		set[found[1]] = found[2]
	}
	config, trusted := "[global]\n", []byte(nil)
	if set["index-url"] != "" {
		config += "index-url = " + set["index-url"] + "\n"
	}
	if set["cert"] != "" {
		config += "cert = /run/secrets/" + authorities + "\n"
		if trusted, err = os.ReadFile(set["cert"]); err != nil {
			return err
		}
	}
	if err := s.write(pipConfig, config); err != nil {
		return err
	}
	return s.write(authorities, string(trusted))
}

// describe writes the environment as an inference config has it, and as a Dockerfile.
func (s *space) describe(packages []string) error {
	config, err := json.Marshal(map[string]any{
		"entryScript": "score.py", "sourceDirectory": "code",
		"environment": map[string]any{
			"name":   endpoint,
			"docker": map[string]any{"baseImage": s.Base},
			"python": map[string]any{"condaDependencies": map[string]any{
				"dependencies": []any{"python=3.11", map[string]any{"pip": packages}},
			}},
		},
	})
	if err != nil {
		return err
	}
	if err := s.write(environmentConfig, string(config)); err != nil {
		return err
	}
	if err := s.write("requirements.txt", strings.Join(packages, "\n")+"\n"); err != nil {
		return err
	}
	return s.write(uncachedFile, "FROM "+s.Base+"\n"+
		"COPY "+authorities+" /run/secrets/\n"+
		"COPY "+pipConfig+" requirements.txt /tmp/\n"+
		"RUN python3 -m venv /opt/venv && \\\n"+
		"    PIP_CONFIG_FILE=/tmp/"+pipConfig+" /opt/venv/bin/pip install --no-cache-dir -r /tmp/requirements.txt\n"+
		"ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin\n"+
		"COPY weights.bin /var/azureml-app/azureml-models/weights.bin/1/\n"+
		"COPY code /var/azureml-app/code\n")
}

func (s *space) write(file, text string) error {
	return os.WriteFile(filepath.Join(s.folder, "model", file), []byte(text), 0o644)
}

// fromFiles deploys what the files describe, and builds the environment if it is nowhere.
func (s *space) fromFiles(ctx context.Context) (time.Time, error) {
	args := []string{"--inference-config", environmentConfig, "--environment-image=", "--pip-config", pipConfig}
	if info, err := os.Stat(filepath.Join(s.folder, "model", authorities)); err == nil && info.Size() > 0 {
		args = append(args, "--build-ca", authorities)
	}
	return s.deploy(ctx, nil, args...)
}

// withoutEngine deploys what the files describe, where there is no engine to ask.
func (s *space) withoutEngine(ctx context.Context) (time.Time, error) {
	return s.deploy(ctx, []string{"DOCKER_HOST=tcp://127.0.0.1:1"}, "--inference-config", environmentConfig,
		"--environment-image=")
}

// dockerUncached builds the environment, too, as on a machine that has built nothing before.
func (s *space) dockerUncached(ctx context.Context) (time.Time, error) {
	return s.upgrade(ctx, "--no-cache", "-f", uncachedFile)
}
