// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Change is one difference between an endpoint before and after.
type Change struct {
	// Version is the version that differs; empty for the endpoint as a whole.
	Version string `json:"version,omitempty"`
	// Field is what differs, by its name in the values of the chart or in Azure
	// ML's files: "image", "maxConcurrentRequests", "env.NAME", "tags.NAME". It is
	// VersionField when the whole version came or went.
	Field string `json:"field"`
	// Before and After are the values; empty for none. Those of environment
	// variables are left out, because they may be secret.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Action Action `json:"action"`
	// Restarts tells that pods which serve are replaced, one by one: those of
	// Version, or the routers if that is empty.
	Restarts bool `json:"restarts"`
}

// Action is what happened to a field.
type Action string

// What can happen to a field.
const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// The fields of a Change that others look for.
const (
	// VersionField is a version that was added or removed.
	VersionField = "version"
	// TrafficField is the effective split of the endpoint, as FormatSplit writes it.
	TrafficField = "traffic"
)

// String is the change as one short line, such as "version green: cpu 100m → 1".
func (c Change) String() string {
	what := c.Field
	if name, ok := strings.CutPrefix(c.Field, "env."); ok {
		what = "variable " + name
	}
	switch {
	case c.Field == VersionField:
		return fmt.Sprintf("version %s %s", c.Version, c.Action)
	case c.Before == "" && c.After == "":
		what = fmt.Sprintf("%s %s", what, c.Action)
	case c.Field == "image" || c.Field == "modelImage":
		before, after := shortImages(c.Before, c.After)
		what = fmt.Sprintf("%s %s → %s", what, before, after)
	default:
		what = fmt.Sprintf("%s %s → %s", what, orNone(c.Before), orNone(c.After))
	}
	if c.Version != "" {
		return fmt.Sprintf("version %s: %s", c.Version, what)
	}
	return what
}

// Changes returns what is different in after, in the order in which it matters:
// versions that came and went, who gets the requests, the versions by name, and
// then the rest. Of a version that came or went nothing else is told; of an
// endpoint that had no versions before, only those that came.
//
// Declared percentiles are not compared but the split they make. A field that
// says the same in other words, such as 0.1 and 100m, is no change.
func Changes(before, after Endpoint) []Change {
	var all []Change
	for _, name := range names(before.Versions, after.Versions) {
		_, was := before.Versions[name]
		_, is := after.Versions[name]
		if was != is {
			all = append(all, Change{Version: name, Field: VersionField, Action: action(was, is)})
		}
	}
	if len(before.Versions) == 0 {
		return all
	}
	all = append(all, compare("", before.roles(), after.roles())...)
	all = append(all, before.Sticky.changes(after.Sticky, before.FormatSplit() == after.FormatSplit())...)
	for _, name := range before.VersionNames() {
		if v, ok := after.Versions[name]; ok {
			all = append(all, compare(name, before.Versions[name].fields(), v.fields())...)
			all = append(all, variables(name, before.Versions[name].Env, v.Env)...)
			all = append(all, before.Versions[name].changes(name, v.About)...)
		}
	}
	all = append(all, compare("", before.fields(), after.fields())...)
	return append(all, before.changes("", after.About)...)
}

// FormatSplit writes the effective split in the order of the names:
// "blue=90%,green=10%".
func (e Endpoint) FormatSplit() string {
	shares := e.Effective()
	parts := make([]string, 0, len(shares))
	for _, name := range e.VersionNames() {
		parts = append(parts, name+"="+FormatPercent(shares[name])+"%")
	}
	return strings.Join(parts, ",")
}

// field is a part of an endpoint or a version as people read it.
type field struct {
	name, value string
	restarts    bool
}

// roles are the fields of who gets the requests.
func (e Endpoint) roles() []field {
	return []field{{TrafficField, e.FormatSplit(), false}, {"default", e.Default, false},
		{"control", e.Control, false}, {"stickiness", e.Sticky.Header, false}}
}

// fields are the others of the endpoint.
func (e Endpoint) fields() []field {
	return []field{{"purpose", string(e.Purpose), true}, {"auth", string(e.Auth.Mode), true},
		{"auth.existingSecret", e.Auth.ExistingSecret, true}}
}

func (v Version) fields() []field {
	r, l, p := v.Resources, v.Limits, v.Probes.Liveness
	return []field{
		{"mirror", FormatPercent(v.Mirror) + "%", false},
		{"models", strings.Join(v.Models, " "), false},
		{"image", v.Image, true},
		{"modelImage", v.ModelImage, true},
		{"entryScript", v.EntryScript, true},
		{"sourceDirectory", v.SourceDirectory, true},
		{"modelDir", v.ModelDir, true},
		{"workers", strconv.Itoa(max(v.Workers, 1)), true},
		{"cpu", canonical(r.CPU), true},
		{"cpuLimit", canonical(r.CPULimit), true},
		{"memory", canonical(r.Memory), true},
		{"memoryLimit", canonical(r.MemoryLimit), true},
		{"accelerator", v.Accelerator.String(), true},
		{"replicas", v.Scaling.String(), false},
		{"maxConcurrentRequests", strconv.Itoa(l.MaxConcurrentRequests), true},
		{"maxQueueWaitMs", milliseconds(l.MaxQueueWait), true},
		{"scoringTimeoutMs", milliseconds(l.ScoringTimeout), true},
		{"startupTimeoutSeconds", strconv.Itoa(int(v.Probes.StartupTimeout / time.Second)), true},
		{"liveness.initialDelaySeconds", strconv.Itoa(p.InitialDelaySeconds), true},
		{"liveness.periodSeconds", strconv.Itoa(p.PeriodSeconds), true},
		{"liveness.timeoutSeconds", strconv.Itoa(p.TimeoutSeconds), true},
		{"liveness.successThreshold", strconv.Itoa(p.SuccessThreshold), true},
		{"liveness.failureThreshold", strconv.Itoa(p.FailureThreshold), true},
	}
}

// changes tells of callers that get another version, though header and split are the same.
func (s Sticky) changes(after Sticky, sameSplit bool) []Change {
	if !sameSplit || s.Header != after.Header || slices.Equal(s.Ranges, after.Ranges) {
		return nil
	}
	return []Change{{Field: "stickiness.ranges", Action: Changed}}
}

// String is TYPE:COUNT; empty for no device.
func (a Accelerator) String() string {
	if a.Type == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", a.Type, a.Count)
}

// String is the number of replicas, or the range and what is aimed at: "1 to 5
// at 70%".
func (s Scaling) String() string {
	if a := s.Autoscale; a != nil {
		return fmt.Sprintf("%d to %d at %d%%", a.MinReplicas, a.MaxReplicas, a.TargetUtilization)
	}
	return strconv.Itoa(s.Replicas)
}

// compare tells which fields differ; before and after have the same ones.
func compare(version string, before, after []field) []Change {
	var all []Change
	for i, b := range before {
		if a := after[i]; a.value != b.value {
			all = append(all, Change{Version: version, Field: b.name, Before: b.value, After: a.value,
				Action: action(b.value != "", a.value != ""), Restarts: b.restarts})
		}
	}
	return all
}

// variables tells which variables differ, and keeps their values to itself.
func variables(version string, before, after map[string]string) []Change {
	var all []Change
	for _, name := range names(before, after) {
		b, was := before[name]
		a, is := after[name]
		if was != is || a != b {
			all = append(all, Change{Version: version, Field: "env." + name, Action: action(was, is), Restarts: true})
		}
	}
	return all
}

// changes tells what people say otherwise of a version, or of the endpoint.
func (a About) changes(version string, after About) []Change {
	all := compare(version, []field{{"description", quoted(a.Description), false}},
		[]field{{"description", quoted(after.Description), false}})
	all = append(all, texts(version, "tags", a.Tags, after.Tags)...)
	return append(all, texts(version, "properties", a.Properties, after.Properties)...)
}

func texts(version, of string, before, after map[string]string) []Change {
	var all []Change
	for _, name := range names(before, after) {
		b, was := before[name]
		a, is := after[name]
		if was == is && a == b {
			continue
		}
		c := Change{Version: version, Field: of + "." + name, Action: action(was, is)}
		if was {
			c.Before = strconv.Quote(b)
		}
		if is {
			c.After = strconv.Quote(a)
		}
		all = append(all, c)
	}
	return all
}

func action(was, is bool) Action {
	switch {
	case !was:
		return Added
	case !is:
		return Removed
	}
	return Changed
}

// names are the keys of both maps, sorted.
func names[T any](a, b map[string]T) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]T{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// canonical is a quantity as Kubernetes writes it.
func canonical(quantity string) string {
	q, err := resource.ParseQuantity(quantity)
	if err != nil {
		return quantity
	}
	return q.String()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func quoted(text string) string {
	if text == "" {
		return ""
	}
	return strconv.Quote(text)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// shortImages leave out of two images what says nothing: the repository if both
// have the same, and all but the start of a digest.
func shortImages(a, b string) (before, after string) {
	aRepository, aDigest, digests := strings.Cut(a, "@")
	bRepository, bDigest, both := strings.Cut(b, "@")
	if digests && both && aRepository == bRepository {
		return shortDigest(aDigest), shortDigest(bDigest)
	}
	return shortImage(a), shortImage(b)
}

func shortImage(image string) string {
	repository, digest, ok := strings.Cut(image, "@")
	if !ok {
		return orNone(image)
	}
	return repository + "@" + shortDigest(digest)
}

func shortDigest(digest string) string {
	const enough = len("sha256:") + 12
	return digest[:min(len(digest), enough)]
}
