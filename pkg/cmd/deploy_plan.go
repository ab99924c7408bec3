// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// plan is a deployment as the files and flags describe it.
type plan struct {
	endpoint, versionName string
	computeType           amlv1.ComputeType
	// computeTarget is the name of an attached compute; empty for none.
	computeTarget string
	// description is for the history; empty for that of a deploy.
	description string
	version     endpoint.Version
	placement   endpoint.Placement
	// auth is nil to keep an existing endpoint's.
	auth *endpoint.Auth
	keys auth.Keys
	// deployment is what the deployment config asks for.
	deployment amlv1.Service
	// variables are those of a version whose environment is not given.
	variables map[string]string
	// source is what the image is made of, unless one is given ready.
	source image.Source
	// environment is what the image of source is built upon; nil when the image is
	// named.
	environment *environment.Environment
	// delta is what changes of a version that is there; nil for a version that
	// is described in full.
	delta *amlv1.DeploymentConfig
	// kept is the version whose models stay as they are, in a volume, while its code
	// changes; nil if they are packed.
	kept *endpoint.Version
	// keepImage leaves image and code of a version that is there.
	keepImage bool
	// accelerator is nil to keep that of a version that is there.
	accelerator *endpoint.Accelerator
	// about is what is said of the version, and endpointAbout of the endpoint.
	about, endpointAbout endpoint.AboutChange
	// admit refuses what is in force; nil takes anything.
	admit func(e endpoint.Endpoint, exists bool) error
	// alone takes all other versions away.
	alone bool
	// serviceType is that of a new endpoint; empty for the chart's.
	serviceType string
}

func (p *plan) admits(e endpoint.Endpoint, exists bool) error {
	if p.admit == nil {
		return nil
	}
	return p.admit(e, exists)
}

// apply returns e with the version put into it. Nothing but the name and the
// mode of the auth is decided here: see deployment.keys.
func (p *plan) apply(e endpoint.Endpoint, fresh chart.VersionValues) (endpoint.Endpoint, error) {
	about, err := e.Change(p.endpointAbout)
	if err != nil {
		return e, err
	}
	e.About = about
	if p.auth != nil {
		e.Auth.Mode = p.auth.Mode
	}
	if p.alone {
		e = alone(e, p.versionName)
	}
	version, findings, err := p.versionFor(&e, fresh)
	if err != nil {
		return e, err
	}
	if err := findings.Err(); err != nil {
		return e, err
	}
	return e.Put(p.versionName, version, p.placement)
}

// versionFor is the version as it is to be. An update of the only version may
// change the auth of its endpoint too.
func (p *plan) versionFor(
	e *endpoint.Endpoint, fresh chart.VersionValues,
) (endpoint.Version, amlv1.Findings, error) {
	old := e.Versions[p.versionName]
	v, findings := p.version, amlv1.Findings(nil)
	if p.delta != nil {
		if p.keepImage {
			v = old
		} else {
			v = repacked(old, v)
		}
		next, mode, found, err := v.Update(e.Auth, *p.delta)
		if err != nil {
			return v, found, err
		}
		v, e.Auth.Mode, findings = next, mode.Mode, found
	}
	if p.accelerator != nil {
		v.Accelerator = *p.accelerator
	}
	if v.EntryScript == "" { // a ready image: it has the script where it had it before
		v.EntryScript = cmp.Or(old.EntryScript, fresh.EntryScript)
	}
	if v.Models == nil { // a ready image: nobody said which
		v.Models = old.Models
	}
	about, err := old.Change(p.about)
	v.About = about
	return v, findings, err
}

// repacked is old with the image, code and variables of another.
func repacked(old, v endpoint.Version) endpoint.Version {
	old.Image, old.EntryScript, old.SourceDirectory = v.Image, v.EntryScript, v.SourceDirectory
	old.ModelImage, old.ModelDir, old.Models = v.ModelImage, v.ModelDir, v.Models
	old.Env, old.Workers = v.Env, v.Workers
	return old
}

// flags take over what goes before the files.
func (p *plan) flags(f *deployFlags) error {
	if f.trafficGiven {
		p.placement.Traffic = &f.traffic
	}
	p.placement.Default, p.placement.Control = f.makeDefault, f.makeControl
	if f.replicasGiven && f.replicas < 1 {
		return usageError{fmt.Errorf("replicas %d: write 1 or more, or let a version rest with kubectl aml scale",
			f.replicas)}
	}
	if f.replicas > 0 {
		p.version.Scaling = endpoint.Scaling{Replicas: f.replicas}
	}
	if f.accelerator == "" {
		return nil
	}
	kind, count, counted := strings.Cut(f.accelerator, ":")
	p.accelerator = &endpoint.Accelerator{Type: kind, Count: 1}
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil {
			return usageError{fmt.Errorf("accelerator %q: write TYPE[:COUNT], such as nvidia:2", f.accelerator)}
		}
		p.accelerator.Count = n
	}
	return nil
}
