// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

func TestAFlagGoesBeforeTheFile(t *testing.T) {
	t.Parallel()
	c, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "numReplicas": 2, "authEnabled": true,
  "containerResourceRequirements": {"cpu": 1}}`))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	for path, text := range map[string]string{"numReplicas": "3", "containerResourceRequirements.cpu": "0.5",
		"authEnabled": "False", "namespace": "models"} {
		if findings := c.Set(path, text); len(findings) > 0 {
			t.Errorf("%s: %v", path, findings)
		}
	}
	if findings := c.Validate(); len(findings) > 0 {
		t.Error(findings)
	}
	if *c.NumReplicas != 3 || *c.ContainerResourceRequirements.CPU != 0.5 || *c.AuthEnabled || c.Namespace != "models" {
		t.Errorf("the flags are not in force: %+v", c.Effective())
	}
}

func TestAFindingAboutAFlagNamesTheFlag(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ path, text, want string }{
		"not a number": {"numReplicas", "many", `--num-replicas: must be a whole number, not the text "many": ` +
			`write a whole number of replicas, such as 2`},
		"out of range": {"numReplicas", "0", "--num-replicas: must be greater than 0, not 0: " +
			"write a whole number of replicas, such as 2"},
		"not a truth value": {"authEnabled", "maybe", `--auth-enabled: must be true or false, not the text "maybe": ` +
			`write true or false without quotes`},
		"a rule across fields": {"tokenAuthEnabled", "true", "--token-auth-enabled: cannot be on together with " +
			"authEnabled: set one of the two to false"},
		"no flag": {"tags", "a=b", "tags: has no flag: write it in the file"},
	}
	for name, test := range cases {
		c, _ := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "numReplicas": 1, "authEnabled": true}`))
		findings := append(c.Set(test.path, test.text), c.Validate()...)
		if len(findings) != 1 || findings[0].String() != test.want {
			t.Errorf("%s: %v, want %q", name, findings, test.want)
		}
	}
}

func TestEveryFieldSaysWhatItIsForAndWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	var flags []string
	for _, f := range append(DeploymentFields(), InferenceFields()...) {
		if f.Type != "" && (f.About == "" || f.Means == "") {
			t.Errorf("%s: %+v", f.Path, f)
		}
		if f.Type == "" && f.Support != Warned && f.Support != Ignored {
			t.Errorf("%s is not read, but %s", f.Path, f.Support)
		}
		for _, name := range []string{f.Flag, f.Short} {
			if name != "" && slices.Contains(flags, name) {
				t.Errorf("two fields have the flag %s", name)
			}
			flags = append(flags, name)
		}
	}
	i := slices.IndexFunc(DeploymentFields(), func(f Field) bool { return f.Path == "location" })
	if f := DeploymentFields()[i]; f.Only != ACI || f.Remark != "has no effect: it runs where the cluster is" {
		t.Errorf("%s: %+v", f.Path, f)
	}
}

func TestTheExampleOfAFieldIsReadWithoutFindings(t *testing.T) {
	t.Parallel()
	for _, f := range DeploymentFields() {
		if f.Type == "" || f.Path == "computeType" {
			continue
		}
		kind := cmp.Or(f.Only, AKSEndpoint)
		text := `{"computeType": "` + string(kind) + `", ` + strings.TrimPrefix(f.Example(), "{")
		_, findings := ReadDeploymentConfig("d.json", []byte(text))
		for _, finding := range findings {
			if strings.HasPrefix(finding.Message, "must") || strings.HasPrefix(finding.Message, "is not") {
				t.Errorf("%s: %v", text, finding)
			}
		}
	}
}

func TestAFieldIsFoundByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"autoScaler.minReplicas":            "autoScaler.minReplicas",
		"minReplicas":                       "autoScaler.minReplicas",
		"autoscale_min_replicas":            "autoScaler.minReplicas",
		"--nr":                              "numReplicas",
		"-nr":                               "numReplicas",
		"num_replicas":                      "numReplicas",
		"--num-replicas":                    "numReplicas",
		"gpu":                               "gpuCores",
		"containerResourceRequirements.gpu": "gpuCores",
		"memory_gb":                         "containerResourceRequirements.memoryInGB",
		"max_request_wait_time":             "maxQueueWaitMs",
		"INITIAL_DELAY_SECONDS":             "livenessProbeRequirements.initialDelaySeconds",
		"keys":                              "keys.primaryKey keys.secondaryKey",
		"description":                       "description description",
		"nothing like it at all, ever":      "",
	} {
		found, nearest := FieldsNamed(name)
		var paths []string
		for _, f := range found {
			paths = append(paths, f.Path)
		}
		if got := strings.Join(paths, " "); got != want || (want == "") != (nearest != "") {
			t.Errorf("%s: %s, nearest %q", name, got, nearest)
		}
	}
	if _, nearest := FieldsNamed("numReplica"); nearest != "numReplicas" {
		t.Errorf("nearest: %s", nearest)
	}
}
