// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// noon is the time of all fixtures.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// defaultPod is what a pod of a fixture has that does not say otherwise.
const defaultPod = `
metadata:
  namespace: models
  labels: {app.kubernetes.io/instance: sentiment}
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: sentiment-green-2, uid: rs-green-2, controller: true}
spec:
  containers:
  - {name: limiter, image: "registry.example/limiter:1"}
  - name: scoring
    image: registry.example/green:1
    resources: {limits: {memory: 512Mi}}
    startupProbe: {periodSeconds: 10, failureThreshold: 60}
`

// fixture reads testdata/endpoint.yaml and over it the case's file: an object
// that is there already is merged, another is added.
func fixture(t *testing.T, name string) Snapshot {
	t.Helper()
	objects := map[string]map[string]any{}
	files := []string{"endpoint"}
	if name != "" {
		files = append(files, name)
	}
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join("testdata", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(raw), "\n---\n") {
			object := parse(t, doc)
			kind, _ := object["kind"].(string)
			key := kind + " " + object["metadata"].(map[string]any)["name"].(string)
			if objects[key] == nil {
				objects[key] = map[string]any{}
				if kind == "Pod" {
					objects[key] = parse(t, defaultPod)
				}
			}
			objects[key] = merge(objects[key], object)
		}
	}
	return snapshotOf(t, objects)
}

func snapshotOf(t *testing.T, objects map[string]map[string]any) Snapshot {
	t.Helper()
	s := Snapshot{Namespace: "models", Name: "sentiment"}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		switch kind, _, _ := strings.Cut(key, " "); kind {
		case "Deployment":
			s.Deployments = append(s.Deployments, decode[appsv1.Deployment](t, objects[key]))
		case "ReplicaSet":
			s.ReplicaSets = append(s.ReplicaSets, decode[appsv1.ReplicaSet](t, objects[key]))
		case "Pod":
			s.Pods = append(s.Pods, decode[corev1.Pod](t, objects[key]))
		case "Event":
			s.Events = append(s.Events, decode[corev1.Event](t, objects[key]))
		case "HorizontalPodAutoscaler":
			s.HPAs = append(s.HPAs, decode[autoscalingv2.HorizontalPodAutoscaler](t, objects[key]))
		default:
			t.Fatalf("fixture has the unknown kind %s", kind)
		}
	}
	return s
}

func parse(t *testing.T, doc string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	return object
}

func decode[T any](t *testing.T, object map[string]any) T {
	t.Helper()
	var typed T
	raw, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(raw, &typed)
	}
	if err != nil {
		t.Fatal(err)
	}
	return typed
}

func merge(base, over map[string]any) map[string]any {
	merged := maps.Clone(base)
	for key, value := range over {
		below, isMap := merged[key].(map[string]any)
		above, isMapToo := value.(map[string]any)
		if isMap && isMapToo {
			merged[key] = merge(below, above)
			continue
		}
		merged[key] = value
	}
	return merged
}
