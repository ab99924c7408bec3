// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// told gives findings a line each, warnings with "warning: " before them.
func told(fs Findings) string {
	var b strings.Builder
	for _, f := range fs {
		if f.Warning {
			b.WriteString("warning: ")
		}
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestReadDeploymentConfigFindings(t *testing.T) {
	t.Parallel()
	const kinds = `write "AKS" for one version, "AKSENDPOINT" for several that share the traffic` + "\n"
	cases := map[string]struct{ src, want string }{
		"the least":                    {`{"computeType": "AKS"}`, ""},
		"in any case":                  {`{"computeType": "aksEndpoint"}`, ""},
		"YAML":                         {"computeType: aks # here\n", ""},
		"JSON with tabs":               {"\t{\n\t\t\"computeType\":\t\"AKS\"\n}", ""},
		"JSON with a comma too many":   {`{"computeType": "AKS",}`, ""},
		"JSON with a comment":          {"{\"computeType\": \"AKS\" # here\n}", ""},
		"JSON after a byte order mark": {"\ufeff" + `{"computeType": "AKS"}`, ""},
		"nothing":                      {"", "d.json:1:1: is empty: write it as {\"key\": value, …}\n"},
		"a list":                       {`["AKS"]`, "d.json:1:1: must hold an object with keys, not a list: write it as {\"key\": value, …}\n"},
		"not JSON": {"{\"computeType\": \"AKS\"\n \"numReplicas\": 1}",
			"d.json:2:2: is not valid JSON: invalid character '\"' after object key:value pair\n"},
		"not all of it": {"{\"computeType\": \"AKS\"",
			"d.json:1:22: is not valid JSON: unexpected end of JSON input\n"},
		"not YAML": {"computeType: AKS\n\tnumReplicas: 1\n",
			"d.json:2:1: is neither valid JSON nor valid YAML: found character '\t' that cannot start any token\n"},
		"two documents":  {"computeType: AKS\n---\na: 1\n", "d.json:3:1: holds a second YAML document: write one file for each\n"},
		"not text":       {"\xff\xfe{", "d.json: is not UTF-8 text: save it as UTF-8\n"},
		"no computeType": {"{\n}", "d.json:1:1: computeType: is required: " + kinds},
		"an unknown computeType": {`{"computeType": "MIR"}`,
			`d.json:1:17: computeType: must be one of ACI, AKS, AKSENDPOINT, LOCAL, not "MIR": ` + kinds},
		"more than 32 bits": {`{"computeType": "AKS", "numReplicas": 2147483648}`, "d.json:1:39: numReplicas: " +
			"must be a whole number that fits in 32 bits, not 2147483648: write a whole number of replicas, such as 2\n"},
		"types": {`{"computeType": "AKS",
  "numReplicas": "2", "gpuCores": 0.5, "namespace": 3, "authEnabled": "false", "scoringTimeoutMs": 1e12,
  "containerResourceRequirements": {"cpu": "500m", "memoryInGB": [1]}, "keys": {"primaryKey": 12345}}`,
			"d.json:2:18: numReplicas: must be a whole number, not the text \"2\": write a whole number of replicas, such as 2\n" +
				"d.json:2:35: gpuCores: must be a whole number, not 0.5: write a whole number of devices, such as 1 (Kubernetes gives out whole ones)\n" +
				"d.json:2:53: namespace: must be text, not 3: write a namespace such as \"models\"\n" +
				"d.json:2:71: authEnabled: must be true or false, not the text \"false\": write true or false without quotes\n" +
				"d.json:2:100: scoringTimeoutMs: must be a whole number, not 1e12, which is text in YAML 1.1: " +
				"write whole milliseconds, such as 60000\n" +
				"d.json:3:44: containerResourceRequirements.cpu: must be a number, not the text \"500m\": " +
				"write cores as a number, such as 0.5\n" +
				"d.json:3:66: containerResourceRequirements.memoryInGB: must be a number, not a list: " +
				"write GB as a number, such as 1.5\n" +
				"d.json:3:95: keys.primaryKey: must be text in quotes: write the key in quotes\n"},
		"whole numbers with a point": {`{"computeType": "AKS", "numReplicas": 2.0}`, ""},
		"bools of YAML":              {"computeType: AKS\nauthEnabled: off\ntokenAuthEnabled: Yes\n", ""},
		"a bool in quotes": {`{"computeType": "AKS", "authEnabled": "true"}`,
			"warning: d.json:1:39: authEnabled: is text and taken for true: write true without quotes\n"},
		"null for a value": {`{"computeType": "AKS", "numReplicas": null, "namespace": null, "keys": {"primaryKey": null}}`, ""},
		"null for a block": {"computeType: AKS\nautoScaler:\nkeys: null\n",
			"d.json:2:12: autoScaler: must be an object, not null: write {…} or leave the key out\n" +
				"d.json:3:7: keys: must be an object, not null: write {…} or leave the key out\n"},
		"ranges": {`{"computeType": "AKSENDPOINT", "trafficPercentile": 100.1, "versionName": "v1", "namespace": "A_b",
  "gpuCores": -1, "scoringTimeoutMs": 0, "maxQueueWaitMs": -1, "maxConcurrentRequestsPerContainer": 0,
  "livenessProbeRequirements": {"initialDelaySeconds": 0}, "containerResourceRequirements": {"cpu": 0, "cpuLimit": -1}}`,
			"d.json:1:53: trafficPercentile: must be from 0 to 100, not 100.1: write a percentage such as 20\n" +
				"d.json:1:75: versionName: must be 3 to 32 lower-case letters, digits and hyphens, " +
				"beginning with a letter and not ending with a hyphen, not \"v1\": write a name such as \"blue\"\n" +
				"d.json:1:94: namespace: must be 1 to 63 lower-case letters, digits and hyphens, " +
				"beginning and ending with a letter or digit, not \"A_b\": write a namespace such as \"models\"\n" +
				"d.json:2:15: gpuCores: must be 0 or more, not -1: write a whole number of devices, such as 1 (Kubernetes gives out whole ones)\n" +
				"d.json:2:39: scoringTimeoutMs: must be greater than 0, not 0: write whole milliseconds, such as 60000\n" +
				"d.json:2:60: maxQueueWaitMs: must be greater than 0, not -1: write whole milliseconds, such as 500\n" +
				"d.json:2:101: maxConcurrentRequestsPerContainer: must be greater than 0, not 0: " +
				"write a whole number of requests, such as 1\n" +
				"d.json:3:56: livenessProbeRequirements.initialDelaySeconds: must be greater than 0, not 0: " +
				"write whole seconds, such as 310\n" +
				"d.json:3:101: containerResourceRequirements.cpu: must be greater than 0, not 0: " +
				"write cores as a number, such as 0.5\n" +
				"d.json:3:116: containerResourceRequirements.cpuLimit: must be 0 or more, not -1: " +
				"write cores as a number, such as 0.5\n"},
		"an empty name is none": {`{"computeType": "AKSENDPOINT", "versionName": "", "namespace": ""}`, ""},
		"keys of the other computeType": {`{"computeType": "AKS", "versionName": "v1", "trafficPercentile": 500}`,
			"warning: d.json:1:24: versionName: is not read for computeType AKS, only for AKSENDPOINT: remove it\n" +
				"warning: d.json:1:45: trafficPercentile: is not read for computeType AKS, only for AKSENDPOINT: remove it\n"},
		"a compute target for an endpoint": {`{"computeType": "AKSENDPOINT", "computeTargetName": "x"}`,
			"warning: d.json:1:32: computeTargetName: is not read for computeType AKSENDPOINT, only for AKS: remove it\n"},
		"a key twice": {"{\"computeType\": \"AKS\",\n \"numReplicas\": 1,\n \"numReplicas\": 0}",
			"warning: d.json:3:2: numReplicas: is written twice, first on line 2: the last one counts, remove the other\n" +
				"d.json:3:17: numReplicas: must be greater than 0, not 0: write a whole number of replicas, such as 2\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadDeploymentConfig("d.json", []byte(c.src))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestReadDeploymentConfigNamesTheKeyThatWasMeant(t *testing.T) {
	t.Parallel()
	const wrong = "is not a key that is known here and is ignored: "
	const ignored = "has no effect in the file, as in Azure ML: give it as a flag"
	for key, want := range map[string]string{
		"numReplica":     wrong + `did you mean "numReplicas"?`,
		"num_replicas":   wrong + `did you mean "numReplicas"?`,
		"replicas":       wrong + `did you mean "numReplicas"?`,
		"autoscaler":     wrong + `did you mean "autoScaler"?`,
		"liveness":       wrong + `did you mean "livenessProbeRequirements"?`,
		"gpu":            wrong + `did you mean "gpuCores"?`,
		"aadAuthEnabled": wrong + `did you mean "tokenAuthEnabled"?`,
		"cpu":            `is ignored: write "cpu" in containerResourceRequirements`,
		"memory_gb":      `is ignored: write "memoryInGB" in containerResourceRequirements`,
		"storageEnabled": `is ignored: write "storageEnabled" in dataCollection`,
		"somethingElse":  wrong + "remove it",
		"":               wrong + "remove it",
		"tags":           ignored,
		"isDefault":      ignored,
	} {
		_, findings := ReadDeploymentConfig("d.json", fmt.Appendf(nil, `{"computeType": "AKS", %q: 1}`, key))
		expect(t, key, told(findings), strings.Replace("warning: d.json:1:24: KEY: "+want+"\n", "KEY: ",
			strings.TrimPrefix(key+": ", ": "), 1))
	}
	for key, want := range map[string]string{
		"gpu":         `is ignored: write "gpuCores" at the top level`,
		"memoryGB":    wrong + `did you mean "memoryInGB"?`,
		"cpu_limit":   wrong + `did you mean "cpuLimit"?`,
		"numReplicas": `is ignored: write "numReplicas" at the top level`,
		"requests":    wrong + "remove it",
	} {
		_, findings := ReadDeploymentConfig("d.json",
			fmt.Appendf(nil, `{"computeType": "AKS", "containerResourceRequirements": {%q: 1}}`, key))
		expect(t, key, told(findings), "warning: d.json:1:58: containerResourceRequirements."+key+": "+want+"\n")
	}
}

// The cases are those of Azure ML's own checks between fields.
func TestValidateBetweenFields(t *testing.T) {
	t.Parallel()
	const (
		noReplicas = "numReplicas: cannot be given while autoscaling is on: remove it, " +
			"or set autoScaler.autoscaleEnabled to false\n"
		needReplicas = "numReplicas: is required when autoscaling is off: write a whole number of replicas, such as 2\n"
		needSwitch   = ": has no meaning without autoscaling: set autoScaler.autoscaleEnabled to true, or remove it\n"
	)
	cases := map[string]struct{ keys, want string }{
		"autoscaling and replicas":    {`"autoScaler": {"autoscaleEnabled": true}, "numReplicas": 1`, "d.json:1:81: " + noReplicas},
		"autoscaling and no replicas": {`"autoScaler": {"autoscaleEnabled": true}`, ""},
		"autoscaling and 0 replicas": {`"autoScaler": {"autoscaleEnabled": true}, "numReplicas": 0`,
			"d.json:1:81: numReplicas: must be greater than 0, not 0: write a whole number of replicas, such as 2\n"},
		"a range without the switch": {`"autoScaler": {"minReplicas": 1, "maxReplicas": 2, "refreshPeriodInSeconds": 1, "targetUtilization": 70}`,
			"d.json:1:54: autoScaler.minReplicas" + needSwitch + "d.json:1:72: autoScaler.maxReplicas" + needSwitch +
				"d.json:1:101: autoScaler.refreshPeriodInSeconds" + needSwitch + "d.json:1:125: autoScaler.targetUtilization" + needSwitch},
		"off without replicas": {`"autoScaler": {"autoscaleEnabled": false}`, "d.json:1:1: " + needReplicas},
		"off with replicas that cannot be read": {`"autoScaler": {"autoscaleEnabled": false}, "numReplicas": "1"`,
			"d.json:1:82: numReplicas: must be a whole number, not the text \"1\": write a whole number of replicas, such as 2\n"},
		"off with a range": {`"autoScaler": {"autoscaleEnabled": false, "minReplicas": 2}, "numReplicas": 1`,
			"d.json:1:81: autoScaler.minReplicas" + needSwitch},
		"nothing": {`"autoScaler": {}`, ""},
		"min over max": {`"autoScaler": {"autoscaleEnabled": true, "minReplicas": 4, "maxReplicas": 3}`,
			"d.json:1:80: autoScaler.minReplicas: must not be more than maxReplicas, but 4 is more than 3: write 3 or less\n"},
		"min alone over the default max": {`"autoScaler": {"autoscaleEnabled": true, "minReplicas": 11}`, ""},
		"target over 100":                {`"autoScaler": {"autoscaleEnabled": true, "targetUtilization": 150}`, ""},
		"both kinds of auth": {`"authEnabled": true, "tokenAuthEnabled": true`,
			"d.json:1:65: tokenAuthEnabled: cannot be on together with authEnabled: set one of the two to false\n"},
		"no auth at all": {`"authEnabled": false, "tokenAuthEnabled": false`, ""},
		"a limit below its request": {`"containerResourceRequirements": {"cpu": 1, "cpuLimit": 0.5, "memoryInGB": 2, "memoryInGBLimit": 1.5}`,
			"d.json:1:80: containerResourceRequirements.cpuLimit: must not be less than cpu, but 0.5 is less than 1: write 1 or more\n" +
				"d.json:1:121: containerResourceRequirements.memoryInGBLimit: must not be less than memoryInGB, " +
				"but 1.5 is less than 2: write 2 or more\n"},
		"a limit alone": {`"containerResourceRequirements": {"cpuLimit": 0.05}`, ""},
		"a success threshold": {`"livenessProbeRequirements": {"successThreshold": 2}`,
			"warning: d.json:1:74: livenessProbeRequirements.successThreshold: is taken for 1, not 2: " +
				"Kubernetes allows nothing else for a liveness probe: write 1\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", `+c.keys+`}`))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestValidateAfterAChange(t *testing.T) {
	t.Parallel()
	c, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "autoScaler": {"autoscaleEnabled": true}}`))
	three := 3
	c.NumReplicas = &three
	expect(t, "findings", told(findings)+told(c.Validate()), "d.json:1:1: numReplicas: "+
		"cannot be given while autoscaling is on: remove it, or set autoScaler.autoscaleEnabled to false\n")
	expect(t, "findings of a config without a file", told(DeploymentConfig{
		AutoScaler: c.AutoScaler, NumReplicas: &three}.Validate()), "numReplicas: "+
		"cannot be given while autoscaling is on: remove it, or set autoScaler.autoscaleEnabled to false\n")
}

func TestEffective(t *testing.T) {
	t.Parallel()
	defaults := func(change func(*Service)) Service {
		s := Service{
			ComputeType: AKS, CPU: 0.1, MemoryInGB: 0.5, KeyAuth: true,
			Autoscale:      &Autoscale{MinReplicas: 1, MaxReplicas: 10, RefreshPeriod: time.Second, TargetUtilization: 70},
			ScoringTimeout: time.Minute, MaxQueueWait: 500 * time.Millisecond, MaxConcurrentRequests: 1,
			Liveness: Liveness{InitialDelay: 310 * time.Second, Period: 10 * time.Second, Timeout: 2 * time.Second,
				FailureThreshold: 3},
		}
		change(&s)
		return s
	}
	cases := map[string]struct {
		keys string
		want Service
	}{
		"nothing given":  {``, defaults(func(*Service) {})},
		"fixed replicas": {`, "numReplicas": 3`, defaults(func(s *Service) { s.Autoscale, s.Replicas = nil, 3 })},
		"autoscaling off": {`, "numReplicas": 1, "autoScaler": {"autoscaleEnabled": false}`,
			defaults(func(s *Service) { s.Autoscale, s.Replicas = nil, 1 })},
		"a range": {`, "autoScaler": {"autoscaleEnabled": true, "minReplicas": 2, "maxReplicas": 4, ` +
			`"refreshPeriodInSeconds": 5, "targetUtilization": 90}`,
			defaults(func(s *Service) {
				s.Autoscale = &Autoscale{MinReplicas: 2, MaxReplicas: 4, RefreshPeriod: 5 * time.Second, TargetUtilization: 90}
			})},
		"a min over the default max": {`, "autoScaler": {"autoscaleEnabled": true, "minReplicas": 11}`,
			defaults(func(s *Service) { s.Autoscale.MinReplicas, s.Autoscale.MaxReplicas = 11, 11 })},
		"a limit under the default request": {`, "containerResourceRequirements": {"cpuLimit": 0.05, "memoryInGBLimit": 0.25}`,
			defaults(func(s *Service) { s.CPU, s.CPULimit, s.MemoryInGB, s.MemoryInGBLimit = 0.05, 0.05, 0.25, 0.25 })},
		"tokens":  {`, "tokenAuthEnabled": true`, defaults(func(s *Service) { s.KeyAuth, s.TokenAuth = false, true })},
		"no auth": {`, "authEnabled": false`, defaults(func(s *Service) { s.KeyAuth = false })},
		"all the rest": {`, "namespace": "n", "gpuCores": 1, "appInsightsEnabled": true, "dataCollection": {"storageEnabled": true},
			"keys": {"primaryKey": "p", "secondaryKey": "s"}, "scoringTimeoutMs": 1, "maxQueueWaitMs": 2,
			"maxConcurrentRequestsPerContainer": 3, "containerResourceRequirements": {"cpu": 1.5, "memoryInGB": 2, "cpuLimit": 2},
			"livenessProbeRequirements": {"periodSeconds": 1, "initialDelaySeconds": 2, "timeoutSeconds": 3, "failureThreshold": 4,
			"successThreshold": 1}`,
			defaults(func(s *Service) {
				s.Namespace, s.GPUs, s.AppInsights, s.CollectData = "n", 1, true, true
				s.Keys = Keys{"p", "s"}
				s.ScoringTimeout, s.MaxQueueWait, s.MaxConcurrentRequests = time.Millisecond, 2*time.Millisecond, 3
				s.CPU, s.CPULimit, s.MemoryInGB = 1.5, 2, 2
				s.Liveness = Liveness{2 * time.Second, time.Second, 3 * time.Second, 4}
			})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS"`+c.keys+`}`))
			expect(t, "findings", told(findings), "")
			if got := config.Effective(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, c.want)
			}
		})
	}
	config, _ := ReadDeploymentConfig("d.yaml", []byte("computeType: AKSENDPOINT\nversionName: blue\ntrafficPercentile: 0\n"))
	if s := config.Effective(); s.VersionName != "blue" || !s.TrafficGiven || s.TrafficPercentile != 0 {
		t.Errorf("endpoint: %+v", s)
	}
}

func TestEffectiveLeavesTheConfigAlone(t *testing.T) {
	t.Parallel()
	c, _ := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS"}`))
	_ = c.Effective()
	if c.AuthEnabled != nil || c.GPUCores != nil || c.AutoScaler.MinReplicas != nil {
		t.Errorf("defaults got into the config: %+v", c)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	c, _ := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "keys": {"primaryKey": "geheim"}}`))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb+verb, c.Keys, c.Effective()); strings.Contains(text, "geheim") {
			t.Errorf("%s prints the key: %s", verb, text)
		}
	}
}

func FuzzReadDeploymentConfig(f *testing.F) {
	for _, seed := range []string{
		`{"computeType": "AKS", "autoScaler": {"autoscaleEnabled": true, "minReplicas": 1}}`,
		"computeType: aksendpoint\nautoScaler: &a\n  minReplicas: 1\nkeys: *a\n<<: *a\n",
		"- a\n- b", "{a: [}", "computeType: !!str AKS\nnumReplicas: 0x10\n? [a]\n: b\n", "a: |\n  x\n y", "%YAML 1.1\n---\na: 1\n...",
		"{\"computeType\":\"AKS\",\"keys\":{\"primaryKey\":12}}", "a: &a {b: *a}", "\"\\ud800\": 1", "numReplicas: .inf", "\u0085\u0085(",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, findings := ReadDeploymentConfig("d", src)
		lines := 1
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // all of YAML 1.1
			lines += strings.Count(string(src), end)
		}
		for _, f := range findings {
			if f.File != "d" || f.Message == "" || f.Line < 0 || f.Line > lines+1 || (f.Line > 0) != (f.Column > 0) ||
				strings.ContainsAny(f.Message, "\n\r") {
				t.Errorf("finding %#v", f)
			}
		}
		if findings.Err() == nil {
			s := c.Effective()
			if s.CPU <= 0 || s.KeyAuth && s.TokenAuth || s.Autoscale == nil && s.Replicas < 1 {
				t.Errorf("effective %+v", s)
			}
		}
	})
}
