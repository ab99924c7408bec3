// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"strings"
	"testing"
)

// row is one field of a file: values that are taken, that are refused, and that
// are taken with a warning, with bars between them.
type row struct {
	accept, refuse, warn string
	// beside are keys that stand in the same object.
	beside string
	// fallback is the default that Fields tell.
	fallback string
}

func values(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, " | ")
}

// keyed writes the value of a field with the objects around it.
func keyed(path, beside, value string) string {
	parent, key, nested := strings.Cut(path, ".")
	if nested {
		return fmt.Sprintf("%q: {%s}", parent, keyed(key, beside, value))
	}
	return fmt.Sprintf("%s%q: %s", beside, path, value)
}

// holds asserts what a file with each of the row's values is told: nothing, one
// error, or one warning, about that very field.
func (r row) holds(t *testing.T, path string, read func(keys string) Findings) {
	t.Helper()
	for _, v := range values(r.accept) {
		if findings := read(keyed(path, r.beside, v)); len(findings) > 0 {
			t.Errorf("%s is not taken: %v", v, findings)
		}
	}
	for _, list := range []string{r.refuse, r.warn} {
		for _, v := range values(list) {
			findings := read(keyed(path, r.beside, v))
			if len(findings) != 1 || findings[0].Field != path || findings[0].Line != 1 ||
				findings[0].Warning != (list == r.warn) {
				t.Errorf("%s has the findings %v", v, findings)
			}
		}
	}
	if len(r.accept) == 0 || len(r.refuse)+len(r.warn) == 0 {
		t.Error("the row shows only one side")
	}
}

func wholeNumber(fallback, accept string) row {
	return row{accept: "null | 1 | 2.0 | " + accept, refuse: `0 | -1 | 1.5 | "1" | 1e3 | [1] | {}`, fallback: fallback}
}

func autoscaled(r row) row {
	r.beside = `"autoscaleEnabled": true, `
	return r
}

const (
	booleans    = `null | true | false`
	notBooleans = `"yes" | "false" | 0 | 1 | [true] | {}`
)

// TestEveryKeyOfAKS has a case for each row of what AKS and AKSENDPOINT read.
func TestEveryKeyOfAKS(t *testing.T) {
	t.Parallel()
	flag := row{accept: booleans, refuse: notBooleans, warn: `"true" | "TRUE"`, fallback: "false"}
	key := row{accept: `null | "" | "abc"`, refuse: `1 | true | [] | {}`}
	amount := row{accept: `null | 0.1 | 1 | 2.5e+1`, refuse: `0 | -0.5 | "0.5" | "500m" | "1Gi" | 2e1 | true | []`}
	limit := row{accept: `null | 0.05 | 4`, refuse: `-1 | "500m" | "1" | []`, warn: `0 | 0.0`}
	cores, memory := amount, amount
	cores.fallback, memory.fallback = "0.1", "0.5"
	on := flag
	on.fallback = "true"
	scaled := flag
	scaled.fallback, scaled.refuse, scaled.accept = "", notBooleans, "null | true"
	for path, r := range map[string]row{
		"computeTargetName": {accept: `null | "" | "myaks" | "My-AKS-2"`, refuse: `1 | []`,
			warn: `"ab" | "1abc" | "a_b" | "abc-" | "local" | "AmlCompute" | "containerinstance" | "abcdefghijklmnopqrstuvwxy"`},
		"namespace": {accept: `null | "" | "a" | "models-2" | "0a" | "` + strings.Repeat("a", 63) + `"`,
			refuse: `"A" | "a_b" | "-a" | "a-" | "a\n" | 3 | "` + strings.Repeat("a", 64) + `"`},
		"autoScaler.autoscaleEnabled":                   scaled,
		"autoScaler.minReplicas":                        autoscaled(wholeNumber("1", "11")),
		"autoScaler.maxReplicas":                        autoscaled(wholeNumber("10", "100")),
		"autoScaler.refreshPeriodInSeconds":             autoscaled(wholeNumber("1", "60")),
		"autoScaler.targetUtilization":                  autoscaled(wholeNumber("70", "150")),
		"numReplicas":                                   wholeNumber("", "100"),
		"containerResourceRequirements.cpu":             cores,
		"containerResourceRequirements.cpuLimit":        limit,
		"containerResourceRequirements.memoryInGB":      memory,
		"containerResourceRequirements.memoryInGBLimit": limit,
		"gpuCores":                                      {accept: "null | 0 | 1 | 4", refuse: `-1 | 0.5 | "1" | []`, fallback: "0"},
		"dataCollection.storageEnabled":                 flag,
		"appInsightsEnabled":                            flag,
		"authEnabled":                                   on,
		"tokenAuthEnabled":                              flag,
		"keys.primaryKey":                               key,
		"keys.secondaryKey":                             key,
		"scoringTimeoutMs":                              wholeNumber("60000", "300000"),
		"maxConcurrentRequestsPerContainer":             wholeNumber("1", "20"),
		"maxQueueWaitMs":                                wholeNumber("500", "1000"),
		"livenessProbeRequirements.periodSeconds":       wholeNumber("10", "5"),
		"livenessProbeRequirements.initialDelaySeconds": wholeNumber("310", "600"),
		"livenessProbeRequirements.timeoutSeconds":      wholeNumber("2", "10"),
		"livenessProbeRequirements.successThreshold":    {accept: "null | 1", refuse: `0 | -1 | 1.5 | "1"`, warn: "2", fallback: "1"},
		"livenessProbeRequirements.failureThreshold":    wholeNumber("3", "9"),
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r.holds(t, path, func(keys string) Findings {
				_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", `+keys+"}"))
				return findings
			})
			expect(t, "default", defaultOf(path), r.fallback)
		})
	}
}

func defaultOf(path string) string {
	for _, f := range DeploymentFields() {
		if f.Path == path {
			return f.Default
		}
	}
	return "no such field"
}

func TestEveryKeyOfAnEndpoint(t *testing.T) {
	t.Parallel()
	for path, r := range map[string]row{
		"versionName": {accept: `null | "" | "blue" | "a--b" | "` + strings.Repeat("a", 32) + `"`,
			refuse: `"v1" | "Blue" | "1ab" | "abc-" | "a.b" | "abc\n" | 123 | "` + strings.Repeat("a", 33) + `"`},
		"trafficPercentile": {accept: "null | 0 | 0.5 | 20 | 100", refuse: `-1 | 100.1 | "20" | 2e1 | []`},
		"computeTargetName": {accept: "null", warn: `"myaks" | 1`},
		"computeType":       {accept: `"AKSENDPOINT" | "aksendpoint" | "AksEndpoint"`, refuse: `null | "" | 1 | "AKSENDPOINT " | "MIR"`},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r.holds(t, path, func(keys string) Findings {
				if path != "computeType" {
					keys = `"computeType": "AKSENDPOINT", ` + keys
				}
				_, findings := ReadDeploymentConfig("d.json", []byte("{"+keys+"}"))
				return findings
			})
		})
	}
}

// TestKeysThatAFileCannotSay has those that only flags can, and those that stand
// in the wrong place.
func TestKeysThatAFileCannotSay(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"tags", "properties", "description", "isDefault", "isControlVersionType", "blobfuse",
		"containerResourceRequirements.gpu", "aadAuthEnabled"} {
		for _, kind := range []string{"AKS", "AKSENDPOINT"} {
			_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "`+kind+`", `+keyed(path, "", "true")+"}"))
			if len(findings) != 1 || !findings[0].Warning || findings[0].Field != path {
				t.Errorf("%s of %s has the findings %v", path, kind, findings)
			}
		}
	}
	for _, path := range []string{"autoScaler", "containerResourceRequirements", "dataCollection",
		"livenessProbeRequirements", "keys"} {
		row{accept: "{}", refuse: `null | [] | 1 | "x"`}.holds(t, path, func(keys string) Findings {
			_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", `+keys+"}"))
			return findings
		})
	}
}

// TestEveryKeyOfACI and of LOCAL: what the rows of AKS do not show.
func TestEveryKeyOfACI(t *testing.T) {
	t.Parallel()
	name := row{accept: `null | ""`, refuse: "1 | [] | {}", warn: `"x"`}
	beside := func(keys string) row { return row{accept: `null | ""`, refuse: "1", warn: `"x"`, beside: keys} }
	flag := row{accept: booleans, refuse: notBooleans}
	for path, r := range map[string]row{
		"containerResourceRequirements.cpu":        {accept: `null | 0.1`, refuse: `0 | -1 | "1"`},
		"containerResourceRequirements.memoryInGB": {accept: `null | 0.5`, refuse: `0 | -1 | "1Gi"`},
		"location":           name,
		"dnsNameLabel":       name,
		"authEnabled":        flag,
		"appInsightsEnabled": flag,
		"sslEnabled":         {accept: "null | false", refuse: notBooleans},
		"cname":              name,
		"sslCertificate":     name,
		"sslKey":             name,
		"keys.primaryKey":    {accept: `null | "k"`, refuse: "1"},
		"keys.secondaryKey":  {accept: `null | "k"`, refuse: "1"},
		"tokenAuthEnabled":   {accept: "null", warn: "true | 1"},
		"numReplicas":        {accept: "null", warn: "1 | 0"},
		"vnetName":           beside(""), "subnetName": beside(""), "vaultBaseUrl": beside(""), "keyName": beside(""),
		"keyVersion": beside(""),
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r.holds(t, path, func(keys string) Findings {
				_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "ACI", `+keys+"}"))
				return about(path, findings)
			})
		})
	}
	row{accept: "null | 0 | 1 | 65535", refuse: `-1 | 65536 | 1.5 | "6789" | []`}.holds(t, "port", func(keys string) Findings {
		_, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "LOCAL", `+keys+"}"))
		return findings
	})
}

// about leaves out findings of other fields.
func about(path string, findings Findings) Findings {
	var out Findings
	for _, f := range findings {
		if f.Field == path {
			out = append(out, f)
		}
	}
	return out
}
