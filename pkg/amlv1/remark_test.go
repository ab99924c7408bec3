// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"strings"
	"testing"
)

func TestWhatMeansSomethingElseIsRemarkedOnce(t *testing.T) {
	t.Parallel()
	const gib = "containerResourceRequirements.memoryInGB: is taken as GiB, 1024 MiB\n"
	for name, c := range map[string]struct{ src, want string }{
		"nothing given": {`{"computeType": "AKS"}`, ""},
		"defaults written out": {`{"computeType": "AKS", "gpuCores": 0, "appInsightsEnabled": false,
"autoScaler": {"autoscaleEnabled": true, "targetUtilization": 70, "refreshPeriodInSeconds": 1},
"containerResourceRequirements": {"memoryInGB": 0.5}, "dataCollection": {"storageEnabled": false},
"livenessProbeRequirements": {"initialDelaySeconds": 310}}`, ""},
		"all of them": {`{"computeType": "AKS", "gpuCores": 1,
"appInsightsEnabled": true,
"autoScaler": {"autoscaleEnabled": true, "targetUtilization": 50, "refreshPeriodInSeconds": 2},
"containerResourceRequirements": {"memoryInGB": 2, "memoryInGBLimit": 3}, "dataCollection": {"storageEnabled": true},
"livenessProbeRequirements": {"initialDelaySeconds": 900}}`,
			"warning: d:1:36: gpuCores: are devices of the kind nvidia.com/gpu, whole ones\n" +
				"warning: d:3:63: autoScaler.targetUtilization: is of the CPU requested here; in Azure ML it was the share of busy replicas\n" +
				"warning: d:3:93: autoScaler.refreshPeriodInSeconds: has no effect: the cluster's own period holds, 15 seconds unless it " +
				"was set otherwise\n" +
				"warning: d:4:49: " + gib +
				"warning: d:5:54: livenessProbeRequirements.initialDelaySeconds: counts from when init() has returned; init() itself may " +
				"take ten minutes, or as long as this if that is more\n"},
		"a limit alone": {`{"computeType": "AKS", "containerResourceRequirements": {"memoryInGBLimit": 3}}`,
			"warning: d:1:77: containerResourceRequirements.memoryInGBLimit: is taken as GiB, 1024 MiB\n"},
	} {
		config, findings := ReadDeploymentConfig("d", []byte(c.src))
		if len(findings) > 0 {
			t.Fatalf("%s: %v", name, findings)
		}
		if got := told(config.Remarks()); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
}

func TestAnEnvironmentThatIsNotBuiltIsRemarked(t *testing.T) {
	t.Parallel()
	const not = ": is not built into an image here: the environment image is taken as it is, see that it has what the " +
		"script needs\n"
	for name, c := range map[string]struct{ keys, want string }{
		"none":            {``, ""},
		"runtime python":  {`, "runtime": "Python"`, ""},
		"a ready image":   {`, "environment": {"docker": {"baseImage": "x"}, "python": {"userManagedDependencies": true}}`, ""},
		"an environment":  {`, "environment": {"docker": {"baseImage": "x"}}`, "warning: i:1:44: environment" + not},
		"the old form":    {`, "condaFile": "c", "enableGpu": true`, "warning: i:1:42: condaFile" + not + "warning: i:1:60: enableGpu" + not},
		"without the GPU": {`, "enableGpu": false`, ""},
	} {
		config, findings := ReadInferenceConfig("i", []byte(`{"entryScript": "score.py"`+c.keys+`}`))
		if err := findings.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := told(config.Remarks()); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
}

func TestTheComputeTypeOfAFlagGoesBeforeTheFiles(t *testing.T) {
	t.Parallel()
	const aci = "warning: --compute-type: is taken for one replica on Kubernetes, which anybody may call unless key auth is " +
		"turned on, as in ACI\n"
	for name, c := range map[string]struct{ kind, src, want string }{
		"the file has none":      {"aks", `{"numReplicas": 1}`, ""},
		"the file has another":   {"AKS", `{"computeType": "LOCAL", "numReplicas": 1}`, ""},
		"a key of another type":  {"AKS", `{"versionName": "blue"}`, "warning: d:1:2: versionName: is not read for computeType AKS, only for AKSENDPOINT: remove it\n"},
		"not the flag's":         {"AKSENDPOINT", `{"versionName": "v1"}`, "d:1:17: versionName: must be 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen, not \"v1\": write a name such as \"blue\"\n"},
		"no object":              {"AKS", `[]`, "d:1:1: must hold an object with keys, not a list: write it as {\"key\": value, …}\n"},
		"a container in the air": {"aci", `{}`, aci},
	} {
		kind, err := ParseComputeType(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		config, findings := ReadDeploymentConfigAs(kind, "d", []byte(c.src))
		if got := told(findings); got != c.want || config.ComputeType != kind {
			t.Errorf("%s: %s, got\n%swant\n%s", name, config.ComputeType, got, c.want)
		}
	}
}

func TestAnOverlayBringsWhatItHas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ under, over, want string }{
		"nothing":           {`"numReplicas": 2`, ``, "replicas 2"},
		"a number":          {`"numReplicas": 2`, `"numReplicas": 3`, "replicas 3"},
		"autoscaling":       {`"numReplicas": 2`, `"autoScaler": {"autoscaleEnabled": true, "maxReplicas": 4}`, "from 1 to 4"},
		"a part of a range": {`"autoScaler": {"autoscaleEnabled": true, "minReplicas": 2}`, `"autoScaler": {"autoscaleEnabled": true, "maxReplicas": 4}`, "from 2 to 4"},
		"autoscaling off":   {`"autoScaler": {"autoscaleEnabled": true, "minReplicas": 2}`, `"numReplicas": 3, "autoScaler": {"autoscaleEnabled": false}`, "replicas 3"},
	} {
		under, _ := ReadDeploymentConfig("u", []byte(`{"computeType": "AKS", `+c.under+`}`))
		over, _ := ReadDeploymentConfigAs(AKS, "o", []byte(`{`+c.over+`}`))
		under.Overlay(over)
		if findings := under.Validate(); len(findings) > 0 {
			t.Errorf("%s: %v", name, findings)
		}
		s := under.Effective()
		got := "replicas " + decimal(float64(s.Replicas))
		if a := s.Autoscale; a != nil {
			got = "from " + decimal(float64(a.MinReplicas)) + " to " + decimal(float64(a.MaxReplicas))
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatARemarkCallsWithoutEffectIsDocumentedSo(t *testing.T) {
	t.Parallel()
	deployment, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "gpuCores": 1,
  "autoScaler": {"autoscaleEnabled": true, "targetUtilization": 50, "refreshPeriodInSeconds": 9},
  "containerResourceRequirements": {"memoryInGB": 1}, "livenessProbeRequirements": {"initialDelaySeconds": 1}}`))
	inference, more := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", "runtime": "spark-py",
  "condaFile": "c", "extraDockerfileSteps": "s", "enableGpu": true, "cudaVersion": "10.0", "baseImage": "b",
  "baseImageRegistry": {"address": "a"}}`))
	if findings.Err() != nil || more.Err() != nil {
		t.Fatal(findings, more)
	}
	remarks := append(deployment.Remarks(), inference.Remarks()...)
	if len(remarks) != 12 {
		t.Errorf("%d remarks: %v", len(remarks), remarks)
	}
	for _, r := range remarks {
		without := strings.Contains(r.Message, "has no effect")
		for _, f := range append(DeploymentFields(), InferenceFields()...) {
			if (f.Path == r.Field || strings.HasPrefix(f.Path, r.Field+".")) && without != (f.Support == Warned) {
				t.Errorf("%s is documented as %s, but a remark says %q", f.Path, f.Support, r.Message)
			}
		}
	}
}
