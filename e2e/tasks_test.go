// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/pkg/acr"
)

// Somebody who has but a login of Azure builds an environment in a registry of
// Azure's, once. The plugin reaches Azure, its storage and the registry by their
// names, through a proxy that leads to this machine.
func TestAnEnvironmentIsBuiltWithACRTasks(t *testing.T) {
	t.Parallel()
	z := newAzure(t, armfake.Options{})
	z.arm.AddRegistry(armfake.Registry{Group: "ml", Name: "images"})
	const registry = "images.azurecr.io"
	base, err := name.NewTag(registry + "/base:1")
	must(t, err)
	python, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	must(t, err)
	must(t, remote.Write(base, python, remote.WithContext(t.Context()), remote.WithTransport(z.arm.Client().Transport),
		remote.WithAuthFromKeychain(acr.Keychain(azureLogin{}, acr.KeychainOptions{Transport: z.arm.Client()}))))
	folder := t.TempDir()
	config, pip := filepath.Join(folder, "inferenceconfig.json"), filepath.Join(folder, "pip.conf")
	must(t, os.WriteFile(config, []byte(`{"entryScript": "score.py", "environment": {"name": "fraud",
		"docker": {"baseImage": "`+base.String()+`"},
		"python": {"condaDependencies": {"dependencies": ["python=3.11", {"pip": ["numpy==2.3.0"]}]}}}}`), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "score.py"), []byte("def init(): pass\ndef run(data): return data\n"), 0o600))
	must(t, os.WriteFile(pip, []byte("[global]\nindex-url = https://me:hidden@pypi.example.com\n"), 0o600))

	args := []string{"build", "--builder", "acr", "--registry", registry, "--inference-config", config,
		"--pip-config", pip, "--relative-to-file"}
	z.arm.NextRun(armfake.Run{Status: "Failed", Log: []string{
		"#6 [2/2] RUN pip install numpy==2.3.0", "#6 1.1 ERROR: No matching distribution found for numpy==2.3.0",
		`#6 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1`,
	}})
	if got := z.run(args...); got.code == 0 || !strings.Contains(got.err, "RUN pip install numpy==2.3.0") ||
		!strings.Contains(got.err, "\n  ERROR: No matching distribution found for numpy==2.3.0") {
		t.Errorf("a step that fails ended with %d:\n%s", got.code, got.err)
	}
	built := z.ok(args...)
	if want := registry + "/environments@sha256:"; !strings.HasPrefix(built.out, want) {
		t.Errorf("answered %s, want %s…", built.out, want)
	}
	builds := z.arm.Builds()
	if len(builds) != 2 || !strings.Contains(builds[1].Dockerfile, "numpy==2.3.0") ||
		!strings.Contains(builds[1].Secrets["pip.conf"], "hidden") {
		t.Errorf("asked to build %+v", builds)
	}
	if strings.Contains(built.err, "hidden") || strings.Contains(built.err, "sig=") {
		t.Errorf("tells secrets:\n%s", built.err)
	}
	if again := z.ok(args...); again.out != built.out || len(z.arm.Builds()) != 2 {
		t.Errorf("the second time it is %s, with %d runs", again.out, len(z.arm.Builds()))
	}
	z.arm.Fault(armfake.Fault{Match: armfake.ScheduleRun, Status: 400,
		Body: `{"error":{"code":"TasksOperationsNotAllowed","message":"Not permitted."}}`})
	must(t, os.WriteFile(config, []byte(`{"entryScript": "score.py", "environment": {"name": "other",
		"docker": {"baseImage": "`+base.String()+`"},
		"python": {"condaDependencies": {"dependencies": ["python=3.11", {"pip": ["numpy==2.2.0"]}]}}}}`), 0o600))
	any := append(slices.Clone(args), "--builder", "auto")
	z.env = append(z.env, "DOCKER_HOST=unix:///run/none.sock")
	got := z.run(any...)
	for _, want := range []string{"\nbuild: Docker cannot build: no engine answers at ",
		"nothing here can build the environment: Docker cannot build: no engine answers at ",
		"Azure allows no ACR Tasks in this subscription", "or write --builder cluster"} {
		if got.code == 0 || !strings.Contains(got.err, want) {
			t.Errorf("a free subscription ended with %d, without %q:\n%s", got.code, want, got.err)
		}
	}
}

// azureLogin is one of somebody who may do all.
type azureLogin struct{}

func (azureLogin) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token-for-tests", ExpiresOn: time.Now().Add(time.Hour)}, nil
}
