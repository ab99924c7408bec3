// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// createdBy begins the history of each layer that is added.
const createdBy = "kubectl-aml "

// baseDigest is the label with the digest of the environment.
const baseDigest = "org.opencontainers.image.base.digest"

// assemble puts the layers on the base. The image can be run as it is: it has
// the working directory and the variables that the chart sets too, and serves.
func assemble(base v1.Image, pinned string, variables map[string]string, about Image, layers []addition,
) (v1.Image, error) {
	img, err := mutate.Append(base, addenda(layers)...)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := file.Config
	config.WorkingDir = AppRoot
	for _, v := range about.variables(variables) {
		config.Env = v.in(config.Env)
	}
	if about.EntryScript != "" {
		config.Entrypoint, config.Cmd = nil, about.command()
		config.ExposedPorts = map[string]struct{}{scoringPort: {}}
	}
	labels := map[string]string{}
	for k, v := range config.Labels {
		labels[k] = v
	}
	_, labels[baseDigest], _ = strings.Cut(pinned, "@")
	config.Labels = labels
	return mutate.Config(img, config)
}

// scoringPort is where the server listens.
const scoringPort = "5001/tcp"

// command starts the server as Azure ML did. The chart has one of its own, which
// listens on loopback only.
func (i Image) command() []string {
	return []string{"python", "-m", "azureml_inference_server_http", "--entry_script", i.EntryScript}
}

// variable is one to set or, if unset, to remove.
type variable struct {
	key, value string
	unset      bool
}

// variables are those given, in order, and then those of the code and the models;
// empty ones of these are unset.
func (i Image) variables(given map[string]string) []variable {
	one := func(key, value string) variable { return variable{key, value, value == ""} }
	own := []variable{one("AML_APP_ROOT", AppRoot), one("AZUREML_ENTRY_SCRIPT", i.EntryScript),
		one("AZUREML_SOURCE_DIRECTORY", i.SourceDirectory), one("AZUREML_MODEL_DIR", i.ModelDir)}
	var all []variable
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(own, func(v variable) bool { return v.key == key }) {
			all = append(all, variable{key: key, value: given[key]})
		}
	}
	return append(all, own...)
}

// in is env with the variable.
func (v variable) in(env []string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, v.key+"=") })
	if !v.unset {
		out = append(out, v.key+"="+v.value)
	}
	return out
}
