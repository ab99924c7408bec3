// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package image makes the image of a version: an environment image with the
// models and the code as layers on top.
//
// No Docker is needed. The layers are written straight to the registry, one
// for each model and one for the code, and only those that the registry does
// not have. The same files give the same digest, wherever and whenever they
// are packaged.
package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// AppRoot is the folder in the container that code and models are under.
const AppRoot = "/var/azureml-app"

// Source is what an image is made of.
type Source struct {
	// Environment names the image to build upon, by tag or digest.
	Environment string
	// Code as it was resolved. The zero Code is none.
	Code   amlv1.Code
	Models []Model
	// Registry is where registered models are, as HOST[/PATH]. Empty if there
	// are none among Models.
	Registry string
	// Variables are set in the image; those that code and models decide are not
	// changed by them.
	Variables map[string]string
	// ModelVolume puts the models into an image of their own, to be mounted as a
	// volume, instead of into that of the code.
	ModelVolume bool
}

// Options say how to reach the registries. The zero Options are fit for use.
type Options struct {
	// Keychain has the logins; nil is that of Docker's configuration and its
	// credential helpers. The function Keychain makes one of more.
	Keychain authn.Keychain
	// Transport carries the requests; nil is the default one.
	Transport http.RoundTripper
	// Insecure allows plain HTTP. Without it, only registries on this machine
	// (localhost, 127.0.0.1) may be spoken to in plain text.
	Insecure bool
	// CAFiles are files of certificates in PEM. Registries may have certificates of
	// these authorities too, besides those that the system trusts. They need a
	// Transport that is nil or an *http.Transport.
	CAFiles []string
	// Wrap puts something before what carries the requests; nil is nothing.
	Wrap func(next http.RoundTripper) http.RoundTripper
	// Clock gives the time and waits; nil is the machine's.
	Clock clock.Clock
	// Log is told what is going on, a line at a time; nil is nobody.
	Log func(line string)

	backoff *remote.Backoff
	// puller has logged in before.
	puller *remote.Puller
}

// Image is an image that is in the registry.
type Image struct {
	// Reference is REPOSITORY@sha256:DIGEST.
	Reference string
	// ModelImage is that of the models, in the same repository, if they have one
	// of their own. Their folder in it is endpoint.ModelsRoot.
	ModelImage string
	// Environment is the image built upon, by digest.
	Environment string
	// Layers are those added to the environment, and those of the models' own
	// image: the models, then the code.
	Layers []Layer
	// Uploaded and Skipped count all blobs, those of the environment and the
	// images' configs too. Skipped ones were in the registry already.
	Uploaded, Skipped int
	// EntryScript, SourceDirectory and ModelDir are the values of
	// AZUREML_ENTRY_SCRIPT, AZUREML_SOURCE_DIRECTORY and AZUREML_MODEL_DIR. The
	// first two are relative to AppRoot, ModelDir is absolute. An empty one is
	// not to be set.
	EntryScript, SourceDirectory, ModelDir string
	// Models are the labels of the models in it, in order.
	Models []string
	// IgnoreFile is the file that kept some of the code out; empty for none.
	IgnoreFile string
	// Ignored counts the files and folders that it kept out.
	Ignored int
}

// Layer is one layer that was added.
type Layer struct {
	// Name is "code" or "model NAME:VERSION".
	Name string
	// Digest is sha256:….
	Digest string
	// Size is that of the layer as it travels, in bytes.
	Size int64
	// Uploaded is false when the registry had it already.
	Uploaded bool
}

// Package adds models and code to an environment image and pushes the result
// to repository, by digest, without a tag.
//
// It refuses, with one line that names the path: files that are not there,
// links that lead out of their folder, devices and sockets, and files that
// change while they are read. What a registry answers is told as a
// *RegistryError, a registered model that is not there as a *NoModelError. Memory
// does not grow with the size of the models, and nothing is written to the disk.
// Registered models are not read at all if the image is pushed to the registry
// that has them.
func Package(ctx context.Context, src Source, repository string, o Options) (Image, error) {
	m, err := compose(ctx, src, repository, o)
	if err != nil {
		return Image{}, err
	}
	out := m.about
	m.traffic.progress.begin("pushing to " + m.repo.Name())
	if m.models != nil {
		if out.ModelImage, err = push(ctx, m.repo, m.models, o, m.traffic); err != nil {
			return Image{}, err
		}
	}
	out.Reference, err = push(ctx, m.repo, m.image, o, m.traffic)
	if err != nil {
		return Image{}, err
	}
	if out.Uploaded, out.Skipped, err = m.traffic.counts(m.images()...); err != nil {
		return Image{}, err
	}
	for _, l := range m.layers {
		out.Layers = append(out.Layers, Layer{Name: l.name, Digest: l.digest.String(), Size: l.size,
			Uploaded: m.traffic.uploaded(l.digest.String())})
	}
	return out, nil
}

// Describe returns the image that Package would push, by the digest it would
// have, and sends nothing: its layers are left out. Errors are those of Package.
func Describe(ctx context.Context, src Source, repository string, o Options) (Image, error) {
	m, err := compose(ctx, src, repository, o)
	if err != nil {
		return Image{}, err
	}
	out := m.about
	if out.Reference, err = m.reference(m.image); err == nil && m.models != nil {
		out.ModelImage, err = m.reference(m.models)
	}
	if err != nil {
		return Image{}, explain(err, "read", src.Environment)
	}
	return out, nil
}

// composed is an image that is not pushed yet.
type composed struct {
	about Image
	image v1.Image
	// models is nil unless they have an image of their own.
	models  v1.Image
	layers  []addition
	repo    name.Repository
	traffic *countingTransport
}

// images are all that are pushed.
func (m composed) images() []v1.Image {
	if m.models == nil {
		return []v1.Image{m.image}
	}
	return []v1.Image{m.models, m.image}
}

// reference is what one of them is called once it is pushed.
func (m composed) reference(img v1.Image) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	return pinned(m.repo.Digest(digest.String()), digest), nil
}

// compose reads the files and the environment and makes the image of them.
func compose(ctx context.Context, src Source, repository string, o Options) (composed, error) {
	m := composed{traffic: newTransport(o)}
	var err error
	if m.repo, err = parseRepository(repository, o); err != nil {
		return m, err
	}
	plan, err := planLayers(src)
	if err != nil {
		return m, err
	}
	base, pinned, err := pull(ctx, src.Environment, o, m.traffic)
	if err != nil {
		return m, err
	}
	if err := plan.resolve(ctx, src.Registry, o); err != nil {
		return m, err
	}
	m.about = plan.image
	m.about.Environment = pinned
	if src.ModelVolume {
		return m, m.apart(ctx, src, plan.contents, base, o)
	}
	docker, err := isDocker(base)
	if err != nil {
		return m, explain(err, "read", src.Environment)
	}
	if m.layers, err = addLayers(ctx, plan.contents, docker, m.repo, o, m.traffic); err != nil {
		return m, err
	}
	if m.image, err = assemble(base, pinned, src.Variables, m.about, m.layers); err != nil {
		return m, explain(err, "read", src.Environment)
	}
	return m, nil
}

func parseRepository(repository string, o Options) (name.Repository, error) {
	repo, err := name.NewRepository(repository, o.nameOptions()...)
	if err != nil || repository == "" || strings.Contains(repository, "://") {
		return name.Repository{}, fmt.Errorf("repository %q is not valid: write it as HOST/NAME in lower case, "+
			"such as example.azurecr.io/models", repository)
	}
	return repo, nil
}

// Check looks at the files that src names without reading them, and returns all
// that Package would refuse about them, joined. It asks no registry, so nothing is
// known of registered models.
func Check(src Source) error {
	_, err := planLayers(src)
	return err
}

// plan is what goes into the image, before anything is read.
type plan struct {
	contents []content
	image    Image
}

// content is what one layer holds.
type content struct {
	name    string
	entries []entry
	// model is the one it holds; the zero Model for code.
	model Model
	// registered is set for a model that is in a registry, once it was found.
	registered *Registered
	// pack is set for a model that is an artifact, once it was read.
	pack *pack
}

// planLayers looks at the files and finds everything that is wrong with them.
func planLayers(src Source) (plan, error) {
	p := plan{image: Image{EntryScript: src.Code.EntryScript, SourceDirectory: src.Code.SourceDirectory}}
	var errs []error
	for _, m := range src.Models {
		c := content{name: "model " + m.String(), model: m}
		if _, remote := m.Artifact(); m.Path != "" && !remote {
			var err error
			c.entries, err = modelEntries(m)
			errs = append(errs, err)
		}
		p.contents = append(p.contents, c)
	}
	code, err := codeEntries(src.Code)
	errs = append(errs, err)
	if len(code.entries) > 0 {
		p.contents = append(p.contents, content{name: "code", entries: code.entries})
	}
	p.image.IgnoreFile, p.image.Ignored = code.ignoreFile, code.ignored
	return p, errors.Join(append(errs, p.arrange())...)
}

// arrange puts the layers in order: the code comes last, because it changes most
// often, and what lies below a changed layer need not be unpacked again. It
// refuses a model that is there twice.
func (p *plan) arrange() error {
	slices.SortStableFunc(p.contents, func(a, b content) int {
		if (a.model.Name == "") != (b.model.Name == "") {
			return cmp.Compare(b.model.Name, a.model.Name)
		}
		return compareModels(a.model, b.model)
	})
	var models []Model
	var errs []error
	p.image.Models = nil
	for _, c := range p.contents {
		if c.model.Name == "" {
			continue
		}
		if len(models) > 0 && compareModels(models[len(models)-1], c.model) == 0 {
			errs = append(errs, fmt.Errorf("model %s is given twice: give one of them another name or version", c.model))
		}
		models = append(models, c.model)
		p.image.Models = append(p.image.Models, c.model.Label())
	}
	p.image.ModelDir = modelDir(models)
	return errors.Join(errs...)
}

// addLayers makes a layer of each content, for an image in repo.
func addLayers(ctx context.Context, contents []content, docker bool, repo name.Repository, o Options,
	t http.RoundTripper,
) ([]addition, error) {
	var layers []addition
	for _, c := range contents {
		if c.registered != nil {
			a, err := mount(ctx, *c.registered, repo, docker, o, t)
			if err != nil {
				return nil, err
			}
			layers = append(layers, a)
			continue
		}
		o.log("reading " + c.name)
		l, err := newLayer(ctx, c, docker)
		if err != nil {
			return nil, err
		}
		layers = append(layers, addition{Layer: l, name: l.name, mediaType: l.mediaType, digest: l.digest, size: l.size})
	}
	return layers, nil
}

func (o Options) log(line string) {
	if o.Log != nil {
		o.Log(line)
	}
}

func (o Options) clock() clock.Clock {
	if o.Clock == nil {
		return clock.RealClock{}
	}
	return o.Clock
}
