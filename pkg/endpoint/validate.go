// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// nameForm is Azure ML v1's rule for services, endpoints and versions.
var nameForm = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// ValidateName checks the name of an endpoint or a version by Azure ML v1's
// rule: 3 to 32 lower-case letters, digits and hyphens, a letter first and no
// hyphen last. kind says in the error what the name is of.
func ValidateName(kind, name string) error {
	if len(name) >= 3 && len(name) <= 32 && nameForm.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%s name %q is not valid: write 3 to 32 lower-case letters, digits and hyphens, "+
		"a letter first and no hyphen last", kind, name)
}

// Validate returns everything that is wrong with e, joined; nil when e can be
// deployed as it stands.
func (e Endpoint) Validate() error {
	findings := []error{ValidateName("endpoint", e.Name), e.validateRoles(), e.validateTraffic(), e.validateAuth(),
		e.validateSticky(), e.validateMirror()}
	if n := len(e.Versions); n > MaxVersions {
		findings = append(findings, fmt.Errorf("endpoint %q has %d versions: %d at most, delete one first",
			e.Name, n, MaxVersions))
	}
	for _, name := range e.VersionNames() {
		findings = append(findings, validateVersionName(name))
		if err := e.Versions[name].validate(); err != nil {
			findings = append(findings, prefix(fmt.Sprintf("version %q: ", name), err))
		}
	}
	return errors.Join(findings...)
}

func (e Endpoint) validateAuth() error {
	switch {
	case e.Auth.Mode != AuthKey && e.Auth.Mode != AuthNone:
		return fmt.Errorf("auth mode %q is not known: write %s or %s", e.Auth.Mode, AuthKey, AuthNone)
	case e.Purpose != FastProd && e.Purpose != DevTest:
		return fmt.Errorf("purpose %q is not known: write %s or %s", e.Purpose, FastProd, DevTest)
	}
	return nil
}

func (e Endpoint) validateRoles() error {
	if len(e.Versions) == 0 {
		return fmt.Errorf("endpoint %q has no version", e.Name)
	}
	if _, ok := e.Versions[e.Default]; !ok {
		return fmt.Errorf("default version %w", e.unknown(e.Default))
	}
	if e.Versions[e.Default].Scaling.ToZero() {
		return fmt.Errorf("default version %q of endpoint %q has 0 replicas, and somebody has to answer: write 1 or more, "+
			"or make another the default first", e.Default, e.Name)
	}
	if _, ok := e.Versions[e.Control]; e.Control != "" && !ok {
		return fmt.Errorf("control version %w", e.unknown(e.Control))
	}
	return nil
}

func (e Endpoint) validateTraffic() error {
	for _, name := range e.VersionNames() {
		if err := checkPercentile(e.Versions[name].Traffic); err != nil {
			return fmt.Errorf("version %q: %w", name, err)
		}
	}
	if sum := e.declared(); sum > 100*unitsPerPercent {
		return fmt.Errorf("traffic of endpoint %q sums to %s: lower a version first, 100 is all there is (now %s)",
			e.Name, FormatPercent(float64(sum)/unitsPerPercent), e.split())
	}
	return nil
}

// split writes the declared percentiles: "blue=80 green=20".
func (e Endpoint) split() string {
	parts := make([]string, 0, len(e.Versions))
	for _, name := range e.VersionNames() {
		parts = append(parts, name+"="+FormatPercent(e.Versions[name].Traffic))
	}
	return strings.Join(parts, " ")
}

// unknown says that there is no version of this name, and which there are.
func (e Endpoint) unknown(name string) error {
	return fmt.Errorf("%q is not a version of endpoint %q: there is %s",
		name, e.Name, strings.Join(e.VersionNames(), ", "))
}

// reserved names would give a version's objects the names of the endpoint's own.
func reserved() []string { return []string{"router", "limiter", "keys", "test"} }

func validateVersionName(name string) error {
	if slices.Contains(reserved(), name) {
		return fmt.Errorf("version name %q is taken by a part of the endpoint: choose another", name)
	}
	return ValidateName("version", name)
}

func (v Version) validate() error {
	findings := []error{v.Resources.validate(), v.Accelerator.validate(), v.Scaling.validate(), v.Limits.validate(),
		v.Probes.validate()}
	if v.Image == "" {
		findings = append(findings, errors.New("has no image"))
	}
	if v.ModelImage != "" && !strings.HasPrefix(v.ModelDir+"/", ModelsRoot+"/") {
		findings = append(findings, fmt.Errorf("model directory %q is not in the model image, which is mounted at %s: "+
			"write that folder, or the one of a model in it", v.ModelDir, ModelsRoot))
	}
	return errors.Join(findings...)
}

func (r Resources) validate() error {
	return errors.Join(validateQuantities("cpu", r.CPU, r.CPULimit), validateQuantities("memory", r.Memory, r.MemoryLimit))
}

func validateQuantities(field, request, limit string) error {
	asked, err := quantity(field, request)
	if err != nil || limit == "" {
		return err
	}
	most, err := quantity(field+" limit", limit)
	if err != nil {
		return err
	}
	if most.Cmp(asked) < 0 {
		return fmt.Errorf("%s limit %s is below what is requested, %s: raise the limit", field, limit, request)
	}
	return nil
}

func quantity(field, value string) (resource.Quantity, error) {
	q, err := resource.ParseQuantity(value)
	if err != nil || q.Sign() <= 0 {
		return q, fmt.Errorf("%s %q is not a positive quantity: write one such as 500m or 512Mi", field, value)
	}
	return q, nil
}

// AcceleratorTypes returns the kinds of devices a version can ask for.
func AcceleratorTypes() []string { return []string{"nvidia", "amd", "intel", "fpga"} }

func (a Accelerator) validate() error {
	switch {
	case a.Type == "" && a.Count == 0:
		return nil
	case !slices.Contains(AcceleratorTypes(), a.Type):
		return fmt.Errorf("accelerator type %q is not known: write one of %s",
			a.Type, strings.Join(AcceleratorTypes(), ", "))
	case a.Count < 1:
		return fmt.Errorf("accelerator count %d: ask for at least 1, or for no type", a.Count)
	}
	return nil
}

func (s Scaling) validate() error {
	a := s.Autoscale
	switch {
	case a == nil && s.Replicas < 0:
		return fmt.Errorf("replicas %d: write 1 or more, or 0 for a version that is not the default", s.Replicas)
	case a == nil:
		return nil
	case a.MinReplicas < 1 || a.MaxReplicas < a.MinReplicas:
		return fmt.Errorf("autoscaling from %d to %d replicas: the least is 1 and the most not below the least",
			a.MinReplicas, a.MaxReplicas)
	case a.TargetUtilization < 1:
		return fmt.Errorf("autoscaling target %d %%: write 1 or more", a.TargetUtilization)
	}
	return nil
}

func (l Limits) validate() error {
	switch {
	case l.MaxConcurrentRequests < 1:
		return fmt.Errorf("concurrent requests %d: write 1 or more", l.MaxConcurrentRequests)
	case l.MaxQueueWait <= 0 || l.ScoringTimeout <= 0:
		return errors.New("queue wait and scoring timeout must be longer than 0 ms")
	}
	return nil
}

func (p Probes) validate() error {
	l := p.Liveness
	switch {
	case p.StartupTimeout <= 0 || l.InitialDelaySeconds < 0 || l.PeriodSeconds < 1 || l.TimeoutSeconds < 1 ||
		l.FailureThreshold < 1:
		return errors.New("probe times and thresholds must be above 0")
	case l.SuccessThreshold != 1:
		return fmt.Errorf("liveness success threshold %d: Kubernetes takes 1 only", l.SuccessThreshold)
	}
	return nil
}

// prefix puts text before each line of an error that may join several.
func prefix(text string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s%w", text, err)
	}
	var findings []error
	for _, one := range joined.Unwrap() {
		findings = append(findings, prefix(text, one))
	}
	return errors.Join(findings...)
}
