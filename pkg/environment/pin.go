// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// Pinned is an Environment whose images are known by digest.
type Pinned struct {
	environment Environment
	// from begins the Dockerfile: its FROM, or all of the environment's own.
	from string
	// escape is what goes on with a line of it.
	escape rune
	// written is the Dockerfile as it was, for the digest.
	written string
	// digests are those of the images, in the order of Bases.
	digests []string
	// ready is the base, if nothing is to be done to it.
	ready    string
	packages packages
}

// Bases are the references of all images that the environment is made from, each
// once, in the order in which they are named: Base, or the images in Dockerfile.
// A Dockerfile that cannot be read has none; Pin says why.
func (e Environment) Bases() []string {
	d, err := e.dockerfile()
	if err != nil {
		return nil
	}
	return d.bases()
}

var byDigest = regexp.MustCompile(`^[^@\s]+@(sha256:[0-9a-f]{64})$`)

// Pin puts a digest to each of Bases. digests has NAME@sha256:… by reference; an
// image that is named by digest already needs none. It refuses an environment
// that no Dockerfile can be made of.
func (e Environment) Pin(digests map[string]string) (Pinned, error) {
	p, err := e.packages()
	if err != nil {
		return Pinned{}, err
	}
	d, err := e.dockerfile()
	if err != nil {
		return Pinned{}, err
	}
	e.Login = amlv1.ImageRegistry{}
	out := Pinned{environment: e, packages: p, escape: d.escape, written: canonicalText(e.Dockerfile)}
	pinned := map[string]string{}
	var missing []error
	for _, base := range d.bases() {
		ref := digests[base]
		if ref == "" && byDigest.MatchString(base) {
			ref = base
		}
		m := byDigest.FindStringSubmatch(ref)
		if m == nil {
			missing = append(missing, fmt.Errorf("image %s has no digest, but %q: it has to be NAME@sha256:…", base, ref))
			continue
		}
		pinned[base] = ref
		out.digests = append(out.digests, m[1])
	}
	if err := errors.Join(missing...); err != nil {
		return Pinned{}, err
	}
	out.from = d.pin(pinned)
	if e.Dockerfile == "" && !p.installs() && e.Interpreter == "" {
		out.ready = pinned[e.Base]
	}
	return out, nil
}

// Ready is the base image, by digest, when it is the environment's image as it
// is; ok is false when there is something to build.
func (p Pinned) Ready() (reference string, ok bool) { return p.ready, p.ready != "" }

// Target is the platform to build for.
func (p Pinned) Target() string { return p.environment.Target() }
