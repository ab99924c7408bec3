// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: echo-blue
  labels: {kubectl-aml/version: blue}
spec:
  replicas: 2
  minReadySeconds: 0
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      nodeSelector: {}
      initContainers:
      - name: limiter
        image: haproxy:3
        env: [{name: MAX_CONCURRENT_REQUESTS, value: "4"}]
      containers:
      - name: scoring
        image: echo:1
        args: [a, b]
        env: [{name: TOKEN, value: hush}]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}}
      volumes:
      - {name: tmp, emptyDir: {}}
`

// live is what an API server makes of it: defaults, quantities as it writes
// them, and what controllers add.
const live = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: echo-blue
  uid: 4d0a
  generation: 3
  resourceVersion: "12"
  labels: {kubectl-aml/version: blue}
  annotations: {deployment.kubernetes.io/revision: "1", somebody/else: note}
  managedFields: [{manager: helm}]
spec:
  replicas: 2
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: echo}}
  template:
    metadata:
      labels: {app: echo}
      annotations: {kubectl.kubernetes.io/restartedAt: noon}
    spec:
      dnsPolicy: ClusterFirst
      initContainers:
      - name: limiter
        image: haproxy:3
        imagePullPolicy: Always
        resources: {}
        env: [{name: MAX_CONCURRENT_REQUESTS, value: "4"}]
      containers:
      - name: scoring
        image: echo:1
        args: [a, b]
        imagePullPolicy: IfNotPresent
        env: [{name: TOKEN, value: hush}]
        resources: {requests: {cpu: "1", memory: 1Gi}}
      volumes:
      - {name: tmp, emptyDir: {}}
status: {replicas: 2}
`

func read(t *testing.T, text string) map[string]any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	return whole(fields).(map[string]any)
}

// whole has the numbers as int64, as the objects of a client have.
func whole(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = whole(value[key])
		}
	case []any:
		for i := range value {
			value[i] = whole(value[i])
		}
	case float64:
		return int64(value)
	}
	return value
}

// edit is content with a text of its YAML replaced.
func edit(t *testing.T, text string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%q is not in %s", replace[i], text)
		}
	}
	return strings.NewReplacer(replace...).Replace(text)
}

// object is one in all states, merged as the API server would. An empty text is
// an object that is not there.
func object(t *testing.T, revision, live, proposed string) drift.Object {
	t.Helper()
	o := drift.Object{}
	var target map[string]any
	for _, s := range []struct {
		text string
		into *map[string]any
	}{{revision, &o.Revision}, {live, &o.Live}, {proposed, &target}} {
		if s.text == "" {
			continue
		}
		*s.into = read(t, s.text)
		o.Kind = schema.FromAPIVersionAndKind((*s.into)["apiVersion"].(string), (*s.into)["kind"].(string))
		o.Name = (*s.into)["metadata"].(map[string]any)["name"].(string)
	}
	o.Restored = merge(t, o.Kind, o.Revision, o.Revision, o.Live)
	o.Proposed = merge(t, o.Kind, o.Revision, target, o.Live)
	return o
}

func merge(t *testing.T, kind schema.GroupVersionKind, before, after, live map[string]any) map[string]any {
	t.Helper()
	if after == nil || live == nil {
		return after
	}
	patch, _, err := drift.Patch(kind, before, after, live)
	if err != nil {
		t.Fatal(err)
	}
	if patch == nil {
		return live
	}
	was, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := scheme.Scheme.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	now, err := strategicpatch.StrategicMergePatch(was, patch, typed)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(now, typed); err != nil { // as the server reads and writes it
		t.Fatal(err)
	}
	merged, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		t.Fatal(err)
	}
	return pruned(merged, live)
}

// pruned leaves out what only the writing of a typed object adds.
func pruned(content, live map[string]any) map[string]any {
	for key, value := range content {
		_, known := live[key]
		switch value := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			was, _ := live[key].(map[string]any)
			if pruned(value, was); len(value) == 0 && !known {
				delete(content, key)
			}
		}
	}
	return content
}

func told(changes []drift.Change) []string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

const (
	back  = ": the next deploy sets it back"
	leave = ": deploys leave it"
)

func TestWhatWasChangedByHandIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edits []string
		want  []string
		lost  bool
	}{
		"nothing": {nil, nil, false},
		"replicas": {[]string{"replicas: 2\n  progress", "replicas: 5\n  progress"},
			[]string{"deployment echo-blue has 5 replicas where revision 7 says 2" + back}, true},
		"an image": {[]string{"image: echo:1", "image: echo:2"},
			[]string{"deployment echo-blue has containers[scoring].image echo:2 where revision 7 says echo:1" + back}, true},
		"a quantity": {[]string{`cpu: "1"`, "cpu: 500m"},
			[]string{"deployment echo-blue has containers[scoring].resources.requests.cpu 500m where revision 7 says 1" + back}, true},
		"a list without names": {[]string{"args: [a, b]", "args: [a]"},
			[]string{"deployment echo-blue has another containers[scoring].args than revision 7" + back}, true},
		"a field the manifest sets to zero": {[]string{"progressDeadlineSeconds: 600", "minReadySeconds: 9"},
			[]string{"deployment echo-blue has minReadySeconds, which revision 7 does not set" + back}, true},
		"a value that may be secret": {[]string{"value: hush", "value: psst"},
			[]string{"deployment echo-blue has another containers[scoring].env[TOKEN].value than revision 7" + back}, true},
		"a variable more": {[]string{"env: [{name: TOKEN", "env: [{name: NEW, value: psst}, {name: TOKEN"},
			[]string{"deployment echo-blue has containers[scoring].env[NEW], which revision 7 does not set" + leave}, false},
		"a label that the manifest sets": {[]string{"kubectl-aml/version: blue", "kubectl-aml/other: blue"},
			[]string{"deployment echo-blue has no metadata.labels.kubectl-aml/version where revision 7 says blue" + back}, true},
		"a rollout that is paused": {[]string{"progressDeadlineSeconds: 600", "paused: true"},
			[]string{"deployment echo-blue is paused: no new pods come" + leave}, false},
		"a container and a volume more": {[]string{"      volumes:", "      - {name: spy, image: spy:1, resources: {}}\n      volumes:\n      - {name: loot}"},
			[]string{"deployment echo-blue has volumes[loot], which revision 7 does not set" + leave,
				"deployment echo-blue has containers[spy], which revision 7 does not set" + leave}, false},
		"what controllers and others add": {[]string{"somebody/else: note", "somebody/else: other", "ClusterFirst", "Default"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := drift.ByHand([]drift.Object{object(t, deployment, edit(t, live, c.edits...), "")}, 7, false)
			if !slices.Equal(told(got), c.want) {
				t.Errorf("got  %q\nwant %q", told(got), c.want)
			}
			if drift.Lost(got) != c.lost {
				t.Errorf("lost is %v", !c.lost)
			}
		})
	}
}

func TestAnAutoscaledVersionHasTheReplicasItNeeds(t *testing.T) {
	t.Parallel()
	o := object(t, edit(t, deployment, "  replicas: 2\n", ""), edit(t, live, "replicas: 2\n  progress", "replicas: 9\n  progress"), "")
	if got := drift.ByHand([]drift.Object{o}, 7, false); len(got) > 0 {
		t.Errorf("got %q", told(got))
	}
}

func TestObjectsThatWentOrCameByHandAreTold(t *testing.T) {
	t.Parallel()
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: echo}\nspec: {selector: {app: echo}}\n"
	objects := []drift.Object{
		object(t, service, edit(t, service, "app: echo", "app: echo, only: mine"), service),
		object(t, "", edit(t, live, "blue", "grey"), ""),
		object(t, "", edit(t, service, "name: echo", "name: echo-old"), ""),
		object(t, deployment, "", deployment),
	}
	want := []string{
		"deployment echo-blue is gone, which revision 7 has: it is made again",
		"deployment echo-grey is of version grey, which revision 7 does not have: it stays",
		"service echo has selector.only, which revision 7 does not set: it stays",
		"service echo-old is not in revision 7: it stays",
	}
	if got := told(drift.ByHand(objects, 7, true)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWhatBecomesOfAChangeFollowsFromTheProposal(t *testing.T) {
	t.Parallel()
	byHand := edit(t, live, "replicas: 2\n  progress", "replicas: 5\n  progress")
	const has = "deployment echo-blue has 5 replicas where revision 7 says 2: "
	for name, c := range map[string]struct{ proposed, want string }{
		"the same as before":  {deployment, has + "it is set back"},
		"another number":      {edit(t, deployment, "replicas: 2", "replicas: 3"), has + "it becomes 3"},
		"what there is":       {edit(t, deployment, "replicas: 2", "replicas: 5"), has + "it stays"},
		"without the version": {"", has + "the object goes"},
	} {
		o := object(t, deployment, byHand, c.proposed)
		if got := told(drift.ByHand([]drift.Object{o}, 7, true)); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: echo-%}\ndata: {key1: b2xk, key2: c2FtZQ==}\n"

func TestDifferencesAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: echo-router}\ndata:\n  rds.yaml: |\n    a: 1 \n    b: 2\n"
	keys := edit(t, secret, "%", "keys")
	objects := []drift.Object{
		object(t, deployment, live, edit(t, deployment, "echo:1", "echo:2", "hush", "psst", `"4"`, `"8"`)),
		object(t, config, config, edit(t, config, "b: 2", "b: 3")),
		object(t, keys, edit(t, keys, "b2xk", "aGFuZA=="), edit(t, keys, "b2xk", "bmV3")),
		object(t, edit(t, secret, "%", "same"), edit(t, secret, "%", "same"), edit(t, secret, "%", "same")),
		object(t, edit(t, secret, "%", "old"), edit(t, secret, "%", "old"), ""),
		object(t, "", "", edit(t, secret, "%", "new")),
	}
	found, err := drift.Differences(objects, 7)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{
		"differences": found, "restarts": drift.Restarts(objects), "byHand": drift.ByHand(objects, 7, true)})
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/differences.yaml", string(text))
	for _, value := range []string{"b2xk", "aGFuZA==", "bmV3", "c2FtZQ==", "hush", "psst"} {
		if strings.Contains(string(text), value) {
			t.Errorf("%s is shown", value)
		}
	}
}

func TestOnlyWhiteSpaceIsADifferenceToo(t *testing.T) {
	t.Parallel()
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: echo}\ndata: {a: \"x\"}\n"
	found, err := drift.Differences([]drift.Object{object(t, config, config, edit(t, config, `"x"`, `"x "`))}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !strings.Contains(found[0].Diff, "+  a: 'x '\n") {
		t.Errorf("got %+v", found)
	}
}

func TestRestartsAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proposed string
		want     []string
	}{
		"nothing": {deployment, []string{"no pod restarts"}},
		"scaled":  {edit(t, deployment, "replicas: 2", "replicas: 3"), []string{"version blue goes from 2 to 3 replicas", "no pod restarts"}},
		"packed":  {edit(t, deployment, "echo:1", "echo:2"), []string{"the pods of version blue are replaced (image)"}},
		"limited": {edit(t, deployment, "1024Mi", "2Gi", `"4"`, `"8"`), []string{"the pods of version blue are replaced (resources, env)"}},
		"gone":    {"", []string{"no pod restarts"}},
	} {
		if got := drift.Restarts([]drift.Object{object(t, deployment, live, c.proposed)}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAKindWithoutASchemaIsMergedAsJSON(t *testing.T) {
	t.Parallel()
	kind := schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}
	route := func(weight string) map[string]any {
		return map[string]any{"spec": map[string]any{"rules": []any{map[string]any{"weight": weight}}}}
	}
	for name, c := range map[string]struct{ live, want string }{
		"the same": {"1", ""},
		"by hand":  {"2", `{"spec":{"rules":[{"weight":"1"}]}}`},
	} {
		patch, _, err := drift.Patch(kind, route("1"), route("1"), route(c.live))
		if err != nil || string(patch) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, patch, err, c.want)
		}
	}
}
