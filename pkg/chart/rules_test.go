// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// refusal renders text as the values of an endpoint and returns what is said
// against it, "" for nothing.
func refusal(t *testing.T, endpoint, text string) string {
	t.Helper()
	values := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	_, err := chart.Render(values, chart.RenderOptions{Name: endpoint, Namespace: "ml"})
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRulesOfTheChart(t *testing.T) {
	const (
		head     = "render endpoint sentiment: the values cannot be used:\n- "
		nameRule = "use 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and " +
			"not ending with a hyphen"
		blue = "{defaultVersion: blue, versions: {blue: {image: i}}}"
	)
	for name, test := range map[string]struct{ endpoint, values, want string }{
		"a good endpoint is accepted": {values: blue},
		"a release name is an endpoint's": {
			endpoint: "2fast", values: blue,
			want: `render endpoint 2fast: the values cannot be used:
- the release name "2fast" cannot be an endpoint's: ` + nameRule,
		},
		"a release name has at most 32 characters": {
			endpoint: strings.Repeat("a", 33), values: blue,
			want: "render endpoint " + strings.Repeat("a", 33) + ": the values cannot be used:\n- the release name \"" +
				strings.Repeat("a", 33) + `" cannot be an endpoint's: ` + nameRule,
		},
		"seven versions are one too many": {
			values: "{defaultVersion: va1, versions: {va1: {image: i}, va2: {image: i}, va3: {image: i}, va4: {image: i}, " +
				"va5: {image: i}, va6: {image: i}, va7: {image: i}}}",
			want: head + "versions: an endpoint has at most 6 versions, not 7: delete one first",
		},
		"versions want a default": {
			values: "{versions: {blue: {image: i}, green: {image: i}}}",
			want: head + "defaultVersion: name the version that gets the traffic nobody else claims " +
				"(one of: blue, green)",
		},
		"the default names a version": {
			values: "{defaultVersion: red, versions: {blue: {image: i}, green: {image: i}}}",
			want:   head + `defaultVersion: there is no version "red": name one of the versions (blue, green)`,
		},
		"the default of no versions is empty": {
			values: "{defaultVersion: red}",
			want:   head + `defaultVersion: there is no version "red": name one of the versions (none)`,
		},
		"the control names a version": {
			values: "{defaultVersion: blue, controlVersion: red, versions: {blue: {image: i}}}",
			want: head + `controlVersion: there is no version "red": name one of the versions (blue) ` +
				`or leave it empty`,
		},
		"the models of an image are in its folder": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, modelImage: m}, green: {image: i, modelImage: m, " +
				"modelDir: /var/azureml-app/azureml-models/bert/1}, red: {image: i, modelImage: m, modelDir: /var/azureml-app/azureml-models-2}}}",
			want: head + "versions.blue.modelDir: the models of modelImage are mounted at /var/azureml-app/azureml-models: " +
				"set it to that folder, or to the one of a model in it\n- versions.red.modelDir: the models of modelImage are mounted " +
				"at /var/azureml-app/azureml-models: set it to that folder, or to the one of a model in it",
		},
		"an open endpoint has no keys": {
			values: "{auth: {mode: none, existingSecret: s}, defaultVersion: blue, versions: {blue: {image: i}}}",
			want: head + "auth.existingSecret: an endpoint with auth.mode none has no keys: leave it empty, " +
				"or set auth.mode to key",
		},
		"a host name needs a certificate": {
			values: "{tls: {host: score.example}}",
			want: head + "tls.host: a host name is worth nothing without a certificate for it: name the Secret with it in " +
				"tls.existingSecret, or leave the host empty",
		},
		"FastProd has more than one router": {
			values: "{purpose: FastProd, router: {replicas: 1}}",
			want: head + "router.replicas: an endpoint for FastProd has at least 2 routers: set 0 or 2 and more, " +
				"or set purpose to DevTest",
		},
		"traffic adds up to 100 at most": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, traffic: 60}, " +
				"green: {image: i, traffic: 40.0001}}}",
			want: head + "versions: the traffic of all versions adds up to 100.0001 percent: at most 100",
		},
		"traffic may add up to exactly 100": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, traffic: 33.3333}, " +
				"green: {image: i, traffic: 33.3333}, red: {image: i, traffic: 33.3334}}}",
		},
		"a version's name is short and plain": {
			values: "{defaultVersion: blue, versions: {blue: {image: i}, v1: {image: i}, Green: {image: i}, " +
				strings.Repeat("a", 33) + ": {image: i}}}",
			want: head + `versions.Green: "Green" cannot be a version's name: ` + nameRule +
				"\n- versions." + strings.Repeat("a", 33) + `: "` + strings.Repeat("a", 33) +
				`" cannot be a version's name: ` + nameRule +
				"\n- versions.v1: \"v1\" cannot be a version's name: " + nameRule,
		},
		"a variable has a variable's name": {
			values: `{defaultVersion: blue, versions: {blue: {image: i, env: {"a-b": x}}}}`,
			want: head + `versions.blue.env: "a-b" cannot be a variable's name: use letters, digits and ` +
				"underscores, not beginning with a digit",
		},
		"a version is not named like a part": {
			values: "{defaultVersion: router, versions: {router: {image: i}}}",
			want:   head + "versions.router: the name router is taken by a part of the endpoint: choose another name",
		},
		"a version has an image": {
			values: "{defaultVersion: blue, versions: {blue: {}}}",
			want:   head + "versions.blue.image: name the image with the code, the model and the scoring server",
		},
		"an image is text": {
			values: "{defaultVersion: blue, versions: {blue: {image: }}}",
			want:   "check the values of endpoint sentiment: at '/versions/blue/image': got null, want string",
		},
		"minReplicas is not above maxReplicas": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, autoscaling: {enabled: true, minReplicas: 11}}}}",
			want: head + "versions.blue.autoscaling.minReplicas: 11 is more than maxReplicas (10): lower it, " +
				"or raise maxReplicas",
		},
		"the default has replicas": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, replicas: 0}, green: {image: i, replicas: 0}}}",
			want: head + "versions.blue.replicas: the default version answers for all others: set 1 or more, " +
				"or make another the default",
		},
		"another version may rest": {values: "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, replicas: 0}}}"},
		"liveness succeeds at once": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, probes: {liveness: {successThreshold: 2}}}}}",
			want: head + "versions.blue.probes.liveness.successThreshold: Kubernetes allows only 1 for liveness: " +
				"set 1",
		},
		"devices are of some type": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, accelerator: {count: 2}}}}",
			want: head + "versions.blue.accelerator.type: say what the 2 devices are: nvidia, amd, intel or fpga, " +
				"or name their resource in accelerator.resource",
		},
		"devices are counted": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, accelerator: {type: nvidia}}}}",
			want: head + "versions.blue.accelerator.count: set how many devices a replica gets, " +
				"or leave type and resource empty",
		},
		"variables of the chart are its own": {
			values: `{defaultVersion: blue, versions: {blue: {image: i, env: {HOME: /x, SCORING_TIMEOUT_MS: "1"}}}}`,
			want: head + "versions.blue.env.HOME: the chart sets this variable itself: it is /tmp, " +
				"the only folder that can be written\n" +
				"- versions.blue.env.SCORING_TIMEOUT_MS: the chart sets this variable itself: " +
				"set scoringTimeoutMs instead",
		},
		"callers are not told apart by their key": {
			values: "{stickiness: {header: authorization}, defaultVersion: blue, versions: {blue: {image: i}}}",
			want: head + "stickiness.header: callers cannot be told apart by the header authorization: " +
				"name one that each of them sends with a value of its own",
		},
		"callers are not told apart by the version they ask for": {
			values: "{stickiness: {header: azureml-model-deployment}, defaultVersion: blue, versions: {blue: {image: i}}}",
			want: head + "stickiness.header: callers cannot be told apart by the header azureml-model-deployment: " +
				"name one that each of them sends with a value of its own",
		},
		"who answers gets no copies": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, mirror: 5}, green: {image: i, traffic: 1, mirror: 10}, " +
				"red: {image: i, mirror: 100}}}",
			want: head + `versions.blue.mirror: version "blue" answers requests itself and cannot get copies of them too: ` +
				"set its traffic to 0 first, and let another be the default\n" +
				`- versions.green.mirror: version "green" answers requests itself and cannot get copies of them too: ` +
				"set its traffic to 0 first, and let another be the default",
		},
		"copies may add up to more than 100": {
			values: "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, mirror: 100}, " +
				"red: {image: i, mirror: 0.0001}}}",
		},
		"the usual scoring server speaks no HTTP/2": {
			values: "{defaultVersion: blue, versions: {blue: {image: i, protocol: h2c}}}",
			want: head + "versions.blue.protocol: the usual scoring server speaks HTTP/1.1: set command to start one " +
				"that speaks h2c, or protocol to http",
		},
		"all that is wrong is said at once": {
			values: "{defaultVersion: red, versions: {keys: {image: i}, blue: {}}}",
			want: head + `defaultVersion: there is no version "red": name one of the versions (blue, keys)
- versions.blue.image: name the image with the code, the model and the scoring server
- versions.keys: the name keys is taken by a part of the endpoint: choose another name`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := test.endpoint
			if endpoint == "" {
				endpoint = "sentiment"
			}
			if got := refusal(t, endpoint, test.values); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestAModelImageNeedsAKubernetesThatMountsIt(t *testing.T) {
	t.Parallel()
	values := map[string]any{"defaultVersion": "blue", "versions": map[string]any{"blue": map[string]any{
		"image": "i", "modelImage": "m", "modelDir": "/var/azureml-app/azureml-models"}}}
	for server, want := range map[string]string{
		"v1.33.0": "", "v1.35.2-gke.100": "",
		"v1.32.9": "render endpoint sentiment: the values cannot be used:\n- versions.blue.modelImage: Kubernetes v1.32.9 cannot " +
			"mount a folder of an image: use 1.35 or newer, or an image with the models in it and no modelImage",
	} {
		got := ""
		if _, err := chart.Render(values, chart.RenderOptions{Name: "sentiment", KubeVersion: server}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s\nwant %s", server, got, want)
		}
	}
}

func TestSchemaOfTheChart(t *testing.T) {
	version := func(values string) string {
		return "{defaultVersion: blue, versions: {blue: {image: i, " + values + "}}}"
	}
	const at = "at '/versions/blue"
	for name, test := range map[string]struct{ values, want string }{
		"unknown value":             {"{routers: {}}", "additional properties 'routers' not allowed"},
		"unknown value of a part":   {"{router: {image: i, imag: i}}", "at '/router': additional properties 'imag' not allowed"},
		"unknown value of version":  {version("weight: 3"), at + "': additional properties 'weight' not allowed"},
		"unknown probe value":       {version("probes: {readiness: {}}"), "additional properties 'readiness' not allowed"},
		"unknown purpose":           {"{purpose: Prod}", "at '/purpose': value must be one of 'FastProd', 'DevTest'"},
		"unknown auth mode":         {"{auth: {mode: token}}", "at '/auth/mode': value must be one of 'key', 'none'"},
		"unknown service type":      {"{router: {service: {type: Node}}}", "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"},
		"unknown accelerator":       {version("accelerator: {type: tpu}"), "value must be one of '', 'nvidia', 'amd', 'intel', 'fpga'"},
		"nobody says who may call":  {"{auth: {mode: null}}", "at '/auth': missing property 'mode'"},
		"nobody says who splits":    {"{routing: {mode: null}}", "at '/routing': missing property 'mode'"},
		"no gateway values":         {"{routing: {gateway: null}}", "at '/routing': missing property 'gateway'"},
		"no service values":         {"{router: {service: null}}", "at '/router': missing property 'service'"},
		"body of any size":          {"{router: {maxRequestBytes: null}}", "at '/router': missing property 'maxRequestBytes'"},
		"no limiter":                {"{limiter: null}", "missing property 'limiter'"},
		"no stickiness":             {"{stickiness: null}", "missing property 'stickiness'"},
		"no network policy values":  {"{networkPolicy: null}", "missing property 'networkPolicy'"},
		"host name with two dots":   {"{routing: {gateway: {hostnames: [a..b]}}}", "at '/routing/gateway/hostnames/0': 'a..b' does not match pattern"},
		"negative traffic":          {version("traffic: -1"), at + "/traffic': minimum: got -1, want 0"},
		"traffic over 100":          {version("traffic: 100.5"), at + "/traffic': maximum: got 100.5, want 100"},
		"traffic with 5 decimals":   {version("traffic: 0.00005"), at + "/traffic': multipleOf: got 5×10⁻⁰⁵, want 0.0001"},
		"unknown protocol":          {version("protocol: grpc"), at + "/protocol': value must be one of 'http', 'h2c'"},
		"copies over 100":           {version("mirror: 100.5"), at + "/mirror': maximum: got 100.5, want 100"},
		"header in capitals":        {"{stickiness: {header: X-User}}", "at '/stickiness/header': 'X-User' does not match pattern"},
		"range without an end":      {"{stickiness: {ranges: [{version: blue}]}}", "at '/stickiness/ranges/0': missing property 'until'"},
		"text for a number":         {version(`replicas: "2"`), at + "/replicas': got string, want integer"},
		"fewer than no replicas":    {version("replicas: -1"), at + "/replicas': minimum: got -1, want 0"},
		"no workers":                {version("workers: 0"), at + "/workers': minimum: got 0, want 1"},
		"no concurrency":            {version("maxConcurrentRequests: 0"), at + "/maxConcurrentRequests': minimum: got 0, want 1"},
		"no queue wait":             {version("maxQueueWaitMs: 0"), at + "/maxQueueWaitMs': minimum: got 0, want 1"},
		"scoring of over an hour":   {version("scoringTimeoutMs: 3600001"), "maximum: got 3.600001×10⁰⁶, want 3.6×10⁰⁶"},
		"absolute entry script":     {version("entryScript: /score.py"), at + "/entryScript': 'not' failed"},
		"entry script outside":      {version("entryScript: src/../../score.py"), at + "/entryScript': 'not' failed"},
		"empty entry script":        {version(`entryScript: ""`), at + "/entryScript': minLength: got 0, want 1"},
		"variable that is a number": {version("env: {A: 1}"), at + "/env/A': got number, want string"},
		"quantity with a space":     {version(`resources: {limits: {memory: "1 Gi"}}`), "does not match pattern"},
		"unknown resource":          {version("resources: {limits: {gpu: 1}}"), "additional properties 'gpu' not allowed"},
		"image with a space":        {"{router: {image: a b}}", "at '/router/image': 'a b' does not match pattern"},
		"toleration of no effect":   {version("tolerations: [{effect: No}]"), "at '/versions/blue/tolerations/0/effect'"},
		"port out of range":         {"{router: {service: {port: 70000}}}", "at '/router/service/port': maximum: got 70,000, want 65,535"},
		"body of no size":           {"{router: {maxRequestBytes: 0}}", "at '/router/maxRequestBytes': minimum: got 0, want 1"},
		"pull secret object":        {"{imagePullSecrets: [{name: a}]}", "at '/imagePullSecrets/0': got object, want string"},
		"short start-up":            {version("probes: {startupTimeoutSeconds: 1}"), "minimum: got 1, want 5"},
	} {
		t.Run(name, func(t *testing.T) {
			got := refusal(t, "sentiment", test.values)
			if !strings.HasPrefix(got, "check the values of endpoint sentiment: ") || !strings.Contains(got, test.want) {
				t.Errorf("got\n%s\nwant it to say\n%s", got, test.want)
			}
		})
	}
}
