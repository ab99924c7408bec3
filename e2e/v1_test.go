// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// v1Folder is a folder of testdata/v1: files as Azure ML v1 took them.
type v1Folder struct {
	endpoint string
	models   []string
	// azureml is set for a script that imports azureml-core.
	azureml bool
	calls   []v1Call
	// more looks at what calls alone do not show.
	more func(t *testing.T, v v1Version)
}

// v1Call is a request and its answer.
type v1Call struct {
	method, query, body, contentType string
	// status is 200 if it is 0.
	status int
	// json is the answer as JSON; text the answer as it is. Empty ones are not looked at.
	json, text string
	// headers that the answer has, among others.
	headers map[string]string
}

// v1Version is a folder that is deployed.
type v1Version struct {
	*client
	endpoint string
	name     string
	key      string
}

func v1Folders() map[string]v1Folder {
	return map[string]v1Folder{
		"single-model": {endpoint: "models", models: []string{"line:1=model.json"}, calls: []v1Call{
			{body: `{"data": [1, 10]}`, json: `[3, 21]`},
			{body: `{"data": [1, 10]}`, contentType: "text/csv", json: `[3, 21]`},
			// What curl -d sends: the server hands its script an empty text, as in Azure ML.
			{body: `{"data": [1]}`, contentType: "application/x-www-form-urlencoded", status: 502,
				headers: map[string]string{"X-Ms-Run-Function-Failed": "True"}},
			{method: "GET", query: "data=[2]", json: `[5]`},
			{method: "OPTIONS", text: ""},
			{body: `{"file": "azureml-models/line/1/model.json"}`, json: `"{\n  \"slope\": 2,\n  \"intercept\": 1\n}\n"`},
		}, more: checkVariables},
		"two-models": {endpoint: "models", models: []string{"celsius:1=celsius.json", "kelvin:3=kelvin.json"},
			calls: []v1Call{{body: `{"fahrenheit": 52}`, json: `{"celsius": 10, "kelvin": 283}`}}},
		"two-versions": {endpoint: "models", models: []string{"mymodel:1=old/model.json", "mymodel:2=new/model.json"},
			calls: []v1Call{{body: `{"x": 2}`, json: `{"1": 20, "2": 22}`}}},
		"folder-model": {endpoint: "models", models: []string{"sentiment:1=outputs/sentiment"},
			calls: []v1Call{{body: `{"text": "good and bad and fine"}`, json: `0`}}},
		"old-form": {endpoint: "models", models: []string{"model.json"},
			calls: []v1Call{{body: `{"data": [2]}`, json: `"{\"result\": [6]}"`}}},
		"model-path": {endpoint: "models", models: []string{"mymodel:9=nine/model.json", "mymodel:10=ten/model.json"},
			azureml: true, calls: []v1Call{{body: `{"x": 2}`,
				json: `{"latest": 20, "older": 18, "path": "/var/azureml-app/azureml-models/mymodel/10/model.json"}`}}},
		"rawhttp": {endpoint: "scripts", models: []string{"model.txt"}, calls: rawCalls()},
		"schema":  {endpoint: "scripts", models: []string{"model.json"}, calls: schemaCalls(), more: checkSwagger},
		"siblings": {endpoint: "scripts", models: []string{"model.txt"}, calls: []v1Call{{body: `{"height": 1, "width": 2}`,
			json: `{"row": {"height": 10, "width": 20}, "caller": "e2e"}`,
			headers: map[string]string{"Access-Control-Allow-Origin": "https://example.com",
				"X-Ms-Client-Request-Id": "e2e-1", "X-Ms-Run-Function-Failed": "False"}}}},
		"nested": {endpoint: "patience", models: []string{"model.txt"}, calls: []v1Call{
			{body: `{"side": 3}`, json: `{"area": 9, "script": "project/serving/score.py"}`},
			// A minute in which the only worker answers nothing else, with a liveness probe that allows 9 s.
			{body: `{"side": 4, "seconds": 60}`, json: `{"area": 16, "script": "project/serving/score.py"}`},
		}, more: checkNoRestart},
	}
}

func rawCalls() []v1Call {
	ok, failed := map[string]string{"X-Ms-Run-Function-Failed": "False"}, map[string]string{"X-Ms-Run-Function-Failed": "True"}
	return []v1Call{
		{method: "GET", query: "a=1&b=x&b=y", json: `{"query": {"a": "1", "b": "x"}}`, headers: ok},
		// Bytes that are no text; the report of the loader has U+FFFD for the last one.
		{body: "\xff\x00abc", contentType: "application/octet-stream", text: "cba\x00\uFFFD", headers: map[string]string{
			"Content-Length": "5", "X-Length": "5", "X-Sum": "549", "X-Caller": "e2e", "Content-Type": "application/octet-stream"}},
		{body: "a=1&b=x%20y", contentType: "application/x-www-form-urlencoded", json: `{"a": "1", "b": "x y"}`,
			headers: map[string]string{"Content-Type": "application/json"}},
		{method: "GET", query: "status=201", status: 201, json: `{"query": {"status": "201"}}`},
		{method: "GET", query: "status=418", status: 418, json: `{"query": {"status": "418"}}`, headers: ok},
		// Azure ML's front end made 502 of each 500, also of one that the script chose.
		{method: "GET", query: "status=500", status: 502, json: `{"query": {"status": "500"}}`, headers: failed},
		{method: "GET", query: "status=503", status: 503, json: `{"query": {"status": "503"}}`, headers: failed},
		{method: "GET", query: "raise=1", status: 502, headers: failed,
			json: `{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}`},
		{method: "OPTIONS", status: 405, text: "bad request"},
		{method: "PUT", status: 405},
	}
}

func schemaCalls() []v1Call {
	return []v1Call{
		{body: `{"data": [[1, 2, 3], [0, 0, 1]]}`, json: `[14, 3]`},
		{body: `{"data": [[1, 2, 3]], "method": "sum"}`, json: `[14]`},
		{body: `{"rows": [[1, 2, 3]]}`, status: 400, json: `{"message": "A value is not provided for the 'data' parameter."}`},
		{body: `[[1, 2, 3]]`, status: 400, json: `{"message": "POST body should be a JSON dictionary."}`},
		{body: `{`, status: 400},
		{body: `{"data": [[1, 2, 3]]}`, contentType: "text/plain", status: 415,
			json: `{"message": "Expects Content-Type to be application/json"}`},
	}
}

// The three tests deploy all folders, as versions of three endpoints.

func TestV1ModelsAreWhereTheirScriptsLook(t *testing.T) {
	t.Parallel()
	deployAndCall(t, "models")
}

func TestV1ScriptsAnswerAsTheyDid(t *testing.T) {
	t.Parallel()
	deployAndCall(t, "scripts")
}

func TestV1ReplicasMayBeSlow(t *testing.T) {
	t.Parallel()
	deployAndCall(t, "patience")
}

func deployAndCall(t *testing.T, endpoint string) {
	t.Helper()
	s := newSpace(t)
	c, folders := s.client(), v1Folders()
	command := []string{"model", "deploy", "-cp", "AKSENDPOINT", "--service-type", "ClusterIP"}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		if folder := folders[name]; folder.endpoint == endpoint {
			s.deployV1(command, name, folder)
			command = []string{"endpoint", "realtime", "create-version"}
			folder.check(t, v1Version{client: c, endpoint: endpoint, name: name, key: s.key(endpoint)})
		}
	}
}

// deployV1 deploys a folder from within, with the command its owner had.
func (s *space) deployV1(command []string, name string, folder v1Folder) {
	s.t.Helper()
	dir := filepath.Join("testdata/v1", name)
	args := append(command, "-n", folder.endpoint, "-vn", name)
	for flag, base := range map[string]string{"-ic": "inferenceconfig", "-dc": "deploymentconfig"} {
		found, err := filepath.Glob(filepath.Join(dir, base+".*"))
		must(s.t, err)
		args = append(args, flag, filepath.Base(found[0]))
	}
	for _, model := range folder.models {
		args = append(args, "-m", model)
	}
	c := s.command(s.t.Context(), args...)
	if folder.azureml {
		image, err := cluster.AzureMLEnvironment(s.t.Context(), cluster.Options{Progress: os.Stderr})
		must(s.t, err)
		c.Env = append(c.Env, environmentVar+"="+image)
	}
	c.Dir = dir
	if text, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("deploy %s: %v\n%s", name, err, text)
	}
}

func (f v1Folder) check(t *testing.T, v v1Version) {
	t.Helper()
	for _, call := range f.calls {
		if wrong := call.wrong(t, v.send(t, "/score", call)); wrong != "" {
			t.Errorf("%s: %s %s %q %s", v.name, call.method, call.query, call.body, wrong)
		}
	}
	if f.more != nil {
		f.more(t, v)
	}
}

// send asks this version, by its v1 address, and returns what came back.
func (v v1Version) send(t *testing.T, path string, call v1Call) report {
	t.Helper()
	url := strings.TrimSuffix(v.url(v.endpoint), "/score") + path
	if call.query != "" {
		url += "?" + call.query
	}
	r, err := v.exec(t.Context(), nil, []string{"-url", url, "-count", "1", "-clients", "1",
		"-method", cmp.Or(call.method, "POST"), "-body64", base64.StdEncoding.EncodeToString([]byte(call.body)),
		bearer(v.key), "-header=Content-Type: " + cmp.Or(call.contentType, "application/json"),
		"-header=X-Caller: e2e", "-header=Origin: https://example.com", "-header=x-ms-client-request-id: e2e-1",
		"-header=azureml-model-deployment: " + v.name})
	must(t, err)
	return r
}

// wrong says what of an answer is not as it should be.
func (c v1Call) wrong(t *testing.T, r report) string {
	t.Helper()
	if r.Status[strconv.Itoa(cmp.Or(c.status, 200))] != 1 {
		return fmt.Sprintf("is answered %v %v, errors %v", r.Status, r.Bodies, r.Errors)
	}
	for body := range r.Bodies {
		if c.json != "" && !sameJSON(t, body, c.json) || c.text != "" && body != c.text {
			return fmt.Sprintf("is answered %q, want %s", body, c.json+c.text)
		}
	}
	for name, want := range c.headers {
		if r.Headers[name] != want {
			return fmt.Sprintf("is answered with the header %s %q, want %q", name, r.Headers[name], want)
		}
	}
	return ""
}

func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	must(t, json.Unmarshal([]byte(want), &b))
	return json.Unmarshal([]byte(got), &a) == nil && reflect.DeepEqual(a, b)
}

// answer is the JSON that a version answers.
func (v v1Version) answer(t *testing.T, path string, call v1Call, into any) {
	t.Helper()
	r := v.send(t, path, call).allOK(t)
	for body := range r.Bodies {
		must(t, json.Unmarshal([]byte(body), into))
	}
}

// checkVariables asks a script for what it was started with.
func checkVariables(t *testing.T, v v1Version) {
	t.Helper()
	want := map[string]any{
		"AML_APP_ROOT":             "/var/azureml-app",
		"AZUREML_ENTRY_SCRIPT":     "score.py",
		"AZUREML_MODEL_DIR":        "/var/azureml-app/azureml-models/line/1",
		"AZUREML_SOURCE_DIRECTORY": nil,
		"SCORING_TIMEOUT_MS":       "45000",
		"SERVICE_NAME":             "models",
		"SERVICE_PATH_PREFIX":      "api/v1/service/models",
		"WORKER_COUNT":             "2",
		"WORKER_TIMEOUT":           "600",
		"WORKSPACE_NAME":           v.namespace,
		"EXAMPLE_TEXT":             "a $(HOME) b",
		"EXAMPLE_NUMBER":           "7",
		"EXAMPLE_BOOL":             "true",
		"EXAMPLE_FLOAT":            "0.5",
	}
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	question, err := json.Marshal(map[string]any{"variables": names})
	must(t, err)
	var got map[string]any
	v.answer(t, "/score", v1Call{body: string(question)}, &got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the variables are %v, want %v", got, want)
	}
	var place map[string]any
	v.answer(t, "/score", v1Call{body: `{"place": true}`}, &place)
	delete(place, "path")
	if want := map[string]any{"cwd": "/var/azureml-app", "home": "/tmp", "user": 10001.0}; !reflect.DeepEqual(place, want) {
		t.Errorf("the script runs in %v, want %v", place, want)
	}
}

// checkSwagger reads the description of a script with samples.
func checkSwagger(t *testing.T, v v1Version) {
	t.Helper()
	var swagger struct {
		Swagger     string
		Paths       map[string]any
		Definitions map[string]struct{ Example any }
	}
	v.answer(t, "/swagger.json", v1Call{method: "GET"}, &swagger)
	if _, found := swagger.Paths["/api/v1/service/scripts/score"]; !found || swagger.Swagger != "2.0" {
		t.Errorf("swagger %s describes %v", swagger.Swagger, swagger.Paths)
	}
	want := map[string]any{"data": []any{[]any{1.0, 2.0, 3.0}}, "method": "sum"}
	if got := swagger.Definitions["ServiceInput"].Example; !reflect.DeepEqual(got, want) {
		t.Errorf("the sample is %v, want %v", got, want)
	}
	if r := v.send(t, "/swagger.json", v1Call{method: "GET", query: "version=3"}); r.Status["200"] != 1 {
		t.Errorf("version 3 of the swagger is answered %v", r.Status)
	}
	if r := v.send(t, "/swagger.json", v1Call{method: "GET", query: "version=9"}); r.Status["404"] != 1 {
		t.Errorf("version 9 of the swagger is answered %v", r.Status)
	}
}

// checkNoRestart looks whether the version's pod is the one that began.
func checkNoRestart(t *testing.T, v v1Version) {
	t.Helper()
	pods, err := v.admin.CoreV1().Pods(v.namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: "kubectl-aml/version=" + v.name})
	must(t, err)
	if len(pods.Items) != 1 {
		t.Fatalf("version %s has %d pods", v.name, len(pods.Items))
	}
	for _, status := range pods.Items[0].Status.ContainerStatuses {
		if status.RestartCount != 0 {
			t.Errorf("container %s was restarted %d times", status.Name, status.RestartCount)
		}
	}
	events, err := v.admin.CoreV1().Events(v.namespace).List(t.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + pods.Items[0].Name})
	must(t, err)
	for _, event := range events.Items {
		if event.Reason == "Unhealthy" && strings.HasPrefix(event.Message, "Liveness") && event.Type == corev1.EventTypeWarning {
			t.Errorf("while its worker was busy: %s", event.Message)
		}
	}
}
