// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

const (
	// secretsAt is where the step that builds has the secrets.
	secretsAt = "/run/aml"
	// secretsLimit is how much they may be together: the resource manager takes
	// requests of 4 MiB, and base64 twice makes 16 bytes of 9.
	// https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits
	secretsLimit = 2 << 20
)

// task is a multi-step task, as ACR Tasks reads it:
// https://learn.microsoft.com/azure/container-registry/container-registry-tasks-reference-yaml
type task struct {
	Version     string   `json:"version"`
	StepTimeout int      `json:"stepTimeout"`
	Volumes     []volume `json:"volumes,omitempty"`
	Steps       []step   `json:"steps"`
}

type volume struct {
	Name   string            `json:"name"`
	Secret map[string]string `json:"secret"`
}

type step struct {
	Build        string   `json:"build,omitempty"`
	Push         []string `json:"push,omitempty"`
	Env          []string `json:"env,omitempty"`
	VolumeMounts []mount  `json:"volumeMounts,omitempty"`
}

type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

// newTask is the task that builds r as image, and the values that are filled into
// it. secrets are what is in the files of r.
//
// A request to build a Dockerfile is built without BuildKit, and its "secret build
// arguments" are build arguments, which get into the image's history
// (https://github.com/Azure/acr-builder/issues/644). A task whose step has the
// variable DOCKER_BUILDKIT=1, written just so, is built with BuildKit
// (https://github.com/Azure/acr-builder, graph/step.go), and its volumes hold
// secrets, as Microsoft advises in that issue. What is in them is filled in from
// values that are marked as secret.
func newTask(r build.Request, image string, secrets map[string][]byte, timeout time.Duration) (
	task, []*armcontainerregistry.SetValue,
) {
	words := []string{"--platform=" + r.Platform, "--tag", image, "--file", dockerfile}
	for _, name := range slices.Sorted(maps.Keys(r.Arguments)) {
		words = append(words, "--build-arg", name+"="+r.Arguments[name])
	}
	one := step{Env: []string{"DOCKER_BUILDKIT=1"}}
	t := task{Version: "v1.0.0", StepTimeout: int(timeout.Seconds())}
	var values []*armcontainerregistry.SetValue
	if len(secrets) > 0 {
		files := volume{Name: "aml", Secret: map[string]string{}}
		for i, id := range slices.Sorted(maps.Keys(secrets)) {
			value := fmt.Sprintf("secret%d", i)
			words = append(words, "--secret", "id="+id+",src="+secretsAt+"/"+id)
			files.Secret[id] = "{{.Values." + value + "}}"
			values = append(values, &armcontainerregistry.SetValue{
				Name: ptr.To(value), IsSecret: ptr.To(true),
				Value: ptr.To(base64.StdEncoding.EncodeToString(secrets[id])),
			})
		}
		t.Volumes = []volume{files}
		one.VolumeMounts = []mount{{Name: files.Name, MountPath: secretsAt}}
	}
	one.Build = strings.Join(append(words, "."), " ")
	t.Steps = []step{one, {Push: []string{image}}}
	return t, values
}

// newRun is the request for one run of t with the context at source.
func newRun(
	t task, values []*armcontainerregistry.SetValue, platform, source string, timeout time.Duration,
) (*armcontainerregistry.EncodedTaskRunRequest, error) {
	text, err := yaml.Marshal(t)
	if err != nil {
		return nil, err
	}
	on, err := platformOf(platform)
	if err != nil {
		return nil, err
	}
	return &armcontainerregistry.EncodedTaskRunRequest{
		Type:               ptr.To("EncodedTaskRunRequest"),
		EncodedTaskContent: ptr.To(base64.StdEncoding.EncodeToString(text)),
		Values:             values,
		SourceLocation:     ptr.To(source),
		Platform:           on,
		Timeout:            ptr.To(int32(timeout.Seconds())),
		Credentials: &armcontainerregistry.Credentials{SourceRegistry: &armcontainerregistry.SourceRegistryCredentials{
			LoginMode: ptr.To(armcontainerregistry.SourceRegistryLoginModeDefault)}},
	}, nil
}

// platformOf is OS/ARCHITECTURE[/VARIANT] as ACR Tasks has it.
func platformOf(platform string) (*armcontainerregistry.PlatformProperties, error) {
	parts := strings.Split(platform, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "linux" ||
		!slices.Contains(armcontainerregistry.PossibleArchitectureValues(), armcontainerregistry.Architecture(parts[1])) {
		return nil, fmt.Errorf("platform %q is none that ACR Tasks builds for here: write linux/amd64 or linux/arm64",
			platform)
	}
	p := &armcontainerregistry.PlatformProperties{
		OS:           ptr.To(armcontainerregistry.OSLinux),
		Architecture: ptr.To(armcontainerregistry.Architecture(parts[1])),
	}
	if len(parts) == 3 {
		p.Variant = ptr.To(armcontainerregistry.Variant(parts[2]))
	}
	return p, nil
}

// check refuses what a task cannot say: its words go through a template of Go and
// a shell before docker build has them.
func check(r build.Request, secrets map[string][]byte) error {
	var found []error
	if _, err := platformOf(r.Platform); err != nil {
		found = append(found, err)
	}
	name, text := regexp.MustCompile(`^[A-Za-z_]\w*$`), regexp.MustCompile(`^[\w./:@%+=,-]*$`)
	for _, argument := range slices.Sorted(maps.Keys(r.Arguments)) {
		if !name.MatchString(argument) || !text.MatchString(r.Arguments[argument]) {
			found = append(found, fmt.Errorf("build argument %s=%q: ACR Tasks takes letters, digits and _./:@%%+=,- only: "+
				"write it into the Dockerfile", argument, r.Arguments[argument]))
		}
	}
	id, size := regexp.MustCompile(`^[\w.-]+$`), 0
	for _, secret := range slices.Sorted(maps.Keys(secrets)) {
		size += len(secrets[secret])
		if !id.MatchString(secret) {
			found = append(found, fmt.Errorf("secret %q: its id has letters, digits and _.- only", secret))
		}
	}
	if size > secretsLimit {
		found = append(found, fmt.Errorf("the secrets are %d bytes together, ACR Tasks takes %d: give fewer, or another "+
			"builder", size, secretsLimit))
	}
	return errors.Join(found...)
}

// tagOf is the tag of what is built of r. It is the same for the same request, so
// that a build that is begun again leaves no second tag behind.
func tagOf(r build.Request) string {
	// Strings and a map of them always marshal.
	text, _ := json.Marshal([]any{r.Dockerfile, r.Platform, r.Arguments})
	sum := sha256.Sum256(text)
	return "build-" + hex.EncodeToString(sum[:16])
}
