// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
)

func TestImagesAreFoundWhereverPodsAre(t *testing.T) {
	t.Parallel()
	m := Manifest{
		Objects: []Object{{Content: `
kind: Deployment
spec: {template: {spec: {
  initContainers: [{image: init}],
  containers: [{image: main, env: [{name: image, value: none}]}, {name: without}],
  volumes: [{name: models, image: {reference: mounted}}, {name: other, emptyDir: {}}]}}}
`}, {Content: "kind: ConfigMap\ndata: {image: none}\n"}, {Content: `
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: main}, {image: cron}]}}}}}
`}},
		Hooks: []Hook{{Object: Object{Content: "kind: Pod\nspec: {containers: [{image: hook}]}\n"}}},
	}
	got, err := m.Images()
	if want := []string{"cron", "hook", "init", "main", "mounted"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// A test that fails when a version gets an image more that WithImages leaves.
func TestEveryImageGetsItsNewName(t *testing.T) {
	t.Parallel()
	v := Values{Versions: map[string]VersionValues{"blue": {}}}
	version := v.Versions["blue"]
	fill(reflect.ValueOf(&version).Elem())
	v.Versions["blue"] = version
	fill(reflect.ValueOf(&v).Elem())
	tree, err := v.WithImages(map[string]string{"old": "new"}).Map()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var look func(path string, node any)
	look = func(path string, node any) {
		below, ok := node.(map[string]any)
		if !ok {
			if strings.HasSuffix(strings.ToLower(path), "image") {
				seen++
				if node != "new" {
					t.Errorf("%s is %v", path, node)
				}
			}
			return
		}
		for key, value := range below {
			look(path+"."+key, value)
		}
	}
	look("", tree)
	if seen < 3 {
		t.Errorf("%d images were looked at", seen)
	}
}

// fill gives every text below v a value.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("old")
		case reflect.Struct:
			fill(f)
		}
	}
}

func TestAnOverlayGoesBeforeTheValues(t *testing.T) {
	t.Parallel()
	v, err := ParseValues(map[string]any{"purpose": "FastProd", "router": map[string]any{"image": "a", "replicas": 2.0}})
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]any{"router": map[string]any{"replicas": nil, "service": map[string]any{"port": 8080.0}}}
	for range 2 { // it changes nothing of what it is given
		got, err := v.Overlay(tree)
		if err != nil || got.Router.Replicas != 0 || got.Router.Service.Port != 8080 || got.Router.Image != "a" ||
			got.Purpose != "FastProd" {
			t.Errorf("got %+v, %v", got.Router, err)
		}
	}
	if _, err := v.Overlay(map[string]any{"colour": "red"}); err == nil || !strings.Contains(err.Error(), `"colour"`) {
		t.Errorf("an unknown value: %v", err)
	}
}

func TestThePackedChartIsTheChart(t *testing.T) {
	t.Parallel()
	first, err := Pack()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Pack()
	if err != nil || !bytes.Equal(first.Content, second.Content) {
		t.Errorf("packed twice it differs: %v", err)
	}
	got, err := loader.LoadArchive(bytes.NewReader(first.Content))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.Metadata.Version != first.Version || len(got.Raw) != len(want.Raw) || len(got.Templates) != len(want.Templates) {
		t.Errorf("chart %s with %d files, want %s with %d", got.Metadata.Version, len(got.Raw), want.Metadata.Version, len(want.Raw))
	}
	zip, err := gzip.NewReader(bytes.NewReader(first.Content))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !strings.HasPrefix(h.Name, "inference/") || h.ModTime.Unix() != 0 || h.Mode != 0o644 {
			t.Fatalf("%+v, %v", h, err)
		}
	}
}
