// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// edited is an endpoint with two versions, changed.
func edited(changes ...func(e *endpoint.Endpoint, v *endpoint.Version)) endpoint.Endpoint {
	e := of("blue", map[string]float64{"blue": 0, "green": 10})
	v := e.Versions["green"]
	for _, change := range changes {
		change(&e, &v)
	}
	if e.Has("green") == nil {
		e.Versions["green"] = v
	}
	return e
}

func told(before, after endpoint.Endpoint) []string {
	var lines []string
	for _, c := range endpoint.Changes(before, after) {
		line := c.String()
		if c.Restarts {
			line += "!"
		}
		lines = append(lines, line)
	}
	return lines
}

// What restarts pods ends with an exclamation mark here.
func TestChangesAreToldInOneLineEach(t *testing.T) {
	t.Parallel()
	type (
		e = *endpoint.Endpoint
		v = *endpoint.Version
	)
	for name, c := range map[string]struct {
		change func(e, v)
		want   []string
	}{
		"nothing":            {func(e, v) {}, nil},
		"the same quantity":  {func(_ e, v v) { v.Resources.CPU = "0.1" }, nil},
		"one worker":         {func(_ e, v v) { v.Workers = 1 }, nil},
		"a version more":     {func(e e, _ v) { e.Versions["red"] = version(0) }, []string{"version red added", "traffic blue=90%,green=10% → blue=90%,green=10%,red=0%"}},
		"a version less":     {func(e e, _ v) { delete(e.Versions, "green") }, []string{"version green removed", "traffic blue=90%,green=10% → blue=100%"}},
		"traffic":            {func(_ e, v v) { v.Traffic = 12.5 }, []string{"traffic blue=90%,green=10% → blue=87.5%,green=12.5%"}},
		"default":            {func(e e, v v) { e.Default, v.Traffic = "green", 100 }, []string{"traffic blue=90%,green=10% → blue=0%,green=100%", "default blue → green"}},
		"control":            {func(e e, _ v) { e.Control = "blue" }, []string{"control none → blue"}},
		"mirror":             {func(_ e, v v) { v.Mirror = 2.5 }, []string{"version green: mirror 0% → 2.5%"}},
		"stickiness":         {func(e e, _ v) { e.Sticky.Header = "x-user" }, []string{"stickiness none → x-user"}},
		"other callers":      {func(e e, _ v) { e.Sticky.Ranges = []endpoint.Range{{Version: "blue", Until: 1}} }, []string{"stickiness.ranges changed"}},
		"auth":               {func(e e, _ v) { e.Auth.Mode = endpoint.AuthNone }, []string{"auth key → none!"}},
		"purpose":            {func(e e, _ v) { e.Purpose = endpoint.FastProd }, []string{"purpose DevTest → FastProd!"}},
		"image by digest":    {func(_ e, v v) { v.Image = "registry.example/diabetes@sha256:0123456789abcdef" }, []string{"version green: image sha256:0 → sha256:0123456789ab!"}},
		"models apart":       {func(_ e, v v) { v.ModelImage = "registry.example/diabetes@sha256:0123456789abcdef" }, []string{"version green: modelImage none → registry.example/diabetes@sha256:0123456789ab!"}},
		"another repository": {func(_ e, v v) { v.Image = "registry.example/other:1" }, []string{"version green: image registry.example/diabetes@sha256:0 → registry.example/other:1!"}},
		"model":              {func(_ e, v v) { v.Models = []string{"diabetes:1", "local/w:1"} }, []string{"version green: models none → diabetes:1 local/w:1"}},
		"limits": {func(_ e, v v) {
			v.Limits = endpoint.Limits{MaxConcurrentRequests: 4, MaxQueueWait: time.Second, ScoringTimeout: time.Second}
		}, []string{"version green: maxConcurrentRequests 1 → 4!", "version green: maxQueueWaitMs 500 → 1000!", "version green: scoringTimeoutMs 60000 → 1000!"}},
		"resources":   {func(_ e, v v) { v.Resources.CPU, v.Resources.MemoryLimit = "1", "1Gi" }, []string{"version green: cpu 100m → 1!", "version green: memoryLimit none → 1Gi!"}},
		"accelerator": {func(_ e, v v) { v.Accelerator = endpoint.Accelerator{Type: "nvidia", Count: 2} }, []string{"version green: accelerator none → nvidia:2!"}},
		"replicas":    {func(_ e, v v) { v.Scaling.Replicas = 3 }, []string{"version green: replicas 1 → 3"}},
		"autoscaling": {func(_ e, v v) {
			v.Scaling.Autoscale = &endpoint.Autoscale{MinReplicas: 1, MaxReplicas: 5, TargetUtilization: 70}
		}, []string{"version green: replicas 1 → 1 to 5 at 70%"}},
		"secret variables":  {func(_ e, v v) { v.Env = map[string]string{"TOKEN": "hush"} }, []string{"version green: variable TOKEN added!"}},
		"of the endpoint":   {func(e e, _ v) { e.Description, e.Tags = "of\npatients", map[string]string{"team": "a"} }, []string{`description none → "of\npatients"`, `tags.team none → "a"`}},
		"of the version":    {func(_ e, v v) { v.Properties = map[string]string{"run": ""} }, []string{`version green: properties.run none → ""`}},
		"a new entryScript": {func(_ e, v v) { v.EntryScript = "main.py" }, []string{"version green: entryScript none → main.py!"}},
	} {
		if got := told(edited(), edited(c.change)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

func TestOfAnEndpointThatIsNewOnlyItsVersionsAreTold(t *testing.T) {
	t.Parallel()
	if got, want := told(endpoint.Endpoint{}, edited()), []string{"version blue added", "version green added"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whoever adds a field to the model has to say here what its change is called.
func TestEveryFieldIsCompared(t *testing.T) {
	t.Parallel()
	before := edited(func(e *endpoint.Endpoint, v *endpoint.Version) {
		v.Scaling.Autoscale = &endpoint.Autoscale{MinReplicas: 1, MaxReplicas: 2, TargetUtilization: 3}
		v.Accelerator, v.Workers = endpoint.Accelerator{Type: "nvidia", Count: 1}, 1
		e.Sticky.Header = "x-user"
	})
	// An endpoint cannot be renamed, and replicas mean nothing beside a range.
	untold := []string{"Endpoint.Name", "Version.Scaling.Replicas"}
	check := func(path string, after endpoint.Endpoint) {
		if got := told(before, after); (len(got) == 0) != slices.Contains(untold, path) {
			t.Errorf("a change of %s is told as %q", path, got)
		}
	}
	after := before.Clone()
	eachField(reflect.ValueOf(&after).Elem(), "Endpoint", func(path string) { check(path, after) })
	v := before.Versions["green"]
	eachField(reflect.ValueOf(&v).Elem(), "Version", func(path string) {
		after := before.Clone()
		after.Versions["green"] = v
		check(path, after)
	})
}

// eachField gives each field below v another value for as long as do runs.
func eachField(v reflect.Value, path string, do func(path string)) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(v.Field(i), path+"."+v.Type().Field(i).Name, do)
		}
		return
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		v.Elem().Set(old.Elem())
		eachField(v.Elem(), path, do)
		v.Set(old)
		return
	case reflect.String:
		v.SetString(v.String() + "9")
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Int64:
		v.SetInt(v.Int() + int64(time.Second))
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if last := v.Index(v.Len() - 1); last.Kind() == reflect.String {
			last.SetString("new")
		}
	default: // a map
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("new"), reflect.Zero(v.Type().Elem()))
	}
	do(path)
	v.Set(old)
}
