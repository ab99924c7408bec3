// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Endpoint is what is told of an endpoint. Its JSON names are kept stable:
// scripts read them.
type Endpoint struct {
	Name        string    `json:"name"`
	Namespace   string    `json:"namespace"`
	Revision    int       `json:"revision"`
	State       string    `json:"state"`
	Default     string    `json:"defaultVersion"`
	Control     string    `json:"controlVersion,omitempty"`
	StickyBy    string    `json:"stickyBy,omitempty"`
	Auth        string    `json:"auth"`
	Purpose     string    `json:"purpose"`
	ScoringPath string    `json:"scoringPath"`
	Updated     time.Time `json:"updated"`
	Versions    []Version `json:"versions"`
}

// Version is what is told of a version.
type Version struct {
	Name        string  `json:"name"`
	Endpoint    string  `json:"endpoint"`
	Declared    float64 `json:"trafficPercentile"`
	Effective   float64 `json:"effectiveTraffic"`
	Mirror      float64 `json:"mirrorPercentage,omitempty"`
	Default     bool    `json:"isDefault"`
	Control     bool    `json:"isControl"`
	Ready       int     `json:"readyReplicas"`
	Desired     int     `json:"replicas"`
	Image       string  `json:"image"`
	ModelImage  string  `json:"modelImage,omitempty"`
	CPU         string  `json:"cpu"`
	Memory      string  `json:"memory"`
	Accelerator string  `json:"accelerator,omitempty"`
}

// Replicas are the ready and the wanted replicas of a version.
type Replicas struct{ Ready, Desired int }

// ScoringPath is where an endpoint's clients post, below the address of its
// Service. It is Azure ML's own path.
func ScoringPath(name string) string { return "/api/v1/service/" + name + "/score" }

// Versions tells of the versions of e, sorted by name.
func Versions(e endpoint.Endpoint, replicas map[string]Replicas) []Version {
	effective := e.Effective()
	list := make([]Version, 0, len(e.Versions))
	for _, name := range e.VersionNames() {
		v := e.Versions[name]
		told := Version{
			Name: name, Endpoint: e.Name, Declared: v.Traffic, Effective: effective[name], Mirror: v.Mirror,
			Default: e.Default == name, Control: e.Control == name,
			Ready: replicas[name].Ready, Desired: replicas[name].Desired,
			Image: v.Image, ModelImage: v.ModelImage, CPU: v.Resources.CPU, Memory: v.Resources.Memory,
		}
		if v.Accelerator.Type != "" {
			told.Accelerator = fmt.Sprintf("%s:%d", v.Accelerator.Type, v.Accelerator.Count)
		}
		list = append(list, told)
	}
	return list
}

// Endpoints lists endpoints; now is what ages are counted from. With
// allNamespaces the table starts with the namespace.
func Endpoints(list []Endpoint, now time.Time, allNamespaces bool) Listing {
	l := Listing{
		Columns: []Column{{Name: "Name"}, {Name: "Traffic"}, {Name: "Ready"}, {Name: "Default"}, {Name: "Revision"},
			{Name: "Auth", Wide: true}, {Name: "Purpose", Wide: true}, {Name: "Path", Wide: true}, {Name: "Age"}},
		Object: items(list),
		Empty:  "No endpoints found.",
	}
	if allNamespaces {
		l.Columns = append([]Column{{Name: "Namespace"}}, l.Columns...)
	}
	for _, e := range list {
		row := []any{e.Name, split(e.Versions), ready(e.Versions), e.Default, e.Revision,
			e.Auth, e.Purpose, e.ScoringPath, age(e.Updated, now)}
		if allNamespaces {
			row = append([]any{e.Namespace}, row...)
		}
		l.Rows = append(l.Rows, row)
		l.Names = append(l.Names, "endpoint/"+e.Name)
	}
	return l
}

// VersionTable lists versions.
func VersionTable(list []Version) Listing {
	l := Listing{
		Columns: []Column{{Name: "Name"}, {Name: "Endpoint"}, {Name: "Traffic"}, {Name: "Ready"}, {Name: "Role"},
			{Name: "Accelerator"}, {Name: "CPU", Wide: true}, {Name: "Memory", Wide: true}, {Name: "Image", Wide: true}},
		Object: items(list),
		Empty:  "No versions found.",
	}
	for _, v := range list {
		l.Rows = append(l.Rows, []any{v.Name, v.Endpoint, Percent(v.Effective), fraction(v.Ready, v.Desired),
			orNone(v.role()), orNone(v.Accelerator), v.CPU, v.Memory, v.Image})
		l.Names = append(l.Names, "version/"+v.Name)
	}
	return l
}

// Traffic lists the declared and the effective traffic of the versions of an
// endpoint, the copies they get if any do, and what callers are told apart by.
func Traffic(e endpoint.Endpoint) Listing {
	list := Versions(e, nil)
	l := Listing{Columns: []Column{{Name: "Version"}, {Name: "Declared"}, {Name: "Effective"}, {Name: "Role"}},
		Empty: "No versions found."}
	mirrored := slices.ContainsFunc(list, func(v Version) bool { return v.Mirror > 0 })
	if mirrored {
		l.Columns = append(l.Columns, Column{Name: "Mirror"})
	}
	for _, v := range list {
		row := []any{v.Name, Percent(v.Declared), Percent(v.Effective), orNone(v.role())}
		if mirrored {
			row = append(row, Percent(v.Mirror))
		}
		l.Rows = append(l.Rows, row)
		l.Names = append(l.Names, "version/"+v.Name)
	}
	object := map[string]any{"items": list}
	if by := StickyBy(e); by != "" {
		object["stickyBy"] = by
		l.Note = "Callers keep their version by the " + strings.Replace(by, ":", " ", 1) + "."
	}
	l.Object = object
	return l
}

// StickyBy is what callers of e are told apart by, as it is set: "header:NAME";
// empty for nothing.
func StickyBy(e endpoint.Endpoint) string {
	if e.Sticky.Header == "" {
		return ""
	}
	return "header:" + e.Sticky.Header
}

// Percent writes a share: "20%".
func Percent(p float64) string { return endpoint.FormatPercent(p) + "%" }

func (v Version) role() string {
	var roles []string
	if v.Default {
		roles = append(roles, "default")
	}
	if v.Control {
		roles = append(roles, "control")
	}
	return strings.Join(roles, ",")
}

func split(versions []Version) string {
	parts := make([]string, 0, len(versions))
	for _, v := range versions {
		parts = append(parts, v.Name+"="+Percent(v.Effective))
	}
	return orNone(strings.Join(parts, ","))
}

func ready(versions []Version) string {
	var sum Replicas
	for _, v := range versions {
		sum.Ready, sum.Desired = sum.Ready+v.Ready, sum.Desired+v.Desired
	}
	return fraction(sum.Ready, sum.Desired)
}

func fraction(ready, desired int) string { return fmt.Sprintf("%d/%d", ready, desired) }

func age(since, now time.Time) string { return duration.HumanDuration(now.Sub(since)) }

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

// items wraps a list so that JSON and YAML readers find it where kubectl puts it.
func items[T any](list []T) any {
	if list == nil {
		list = []T{}
	}
	return map[string]any{"items": list}
}
