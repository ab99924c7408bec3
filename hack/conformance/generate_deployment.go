// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import "slices"

// deploymentFields are the keys of a deploymentconfig.json for AKS and AKSENDPOINT.
func deploymentFields() []field {
	return []field{
		quotes("namespace", "models a 0a "+long(63)),
		plains("autoScaler.autoscaleEnabled", "true"),
		plains("autoScaler.minReplicas", "1 2 11"),
		plains("autoScaler.maxReplicas", "2 5 20"),
		plains("autoScaler.refreshPeriodInSeconds", "1 10"),
		plains("autoScaler.targetUtilization", "70 150"),
		plains("numReplicas", "1 3"),
		plains("containerResourceRequirements.cpu", "0.1 1 2.5"),
		plains("containerResourceRequirements.cpuLimit", "2.5 4"),
		plains("containerResourceRequirements.memoryInGB", "0.5 1 1.5"),
		plains("containerResourceRequirements.memoryInGBLimit", "1.5 8"),
		plains("gpuCores", "0 1"),
		plains("dataCollection.storageEnabled", "true false"),
		plains("appInsightsEnabled", "true false"),
		plains("authEnabled", "true false"),
		plains("tokenAuthEnabled", "false true"),
		quotes("keys.primaryKey", "abc first"),
		quotes("keys.secondaryKey", "def second"),
		plains("scoringTimeoutMs", "60000 1"),
		plains("maxConcurrentRequestsPerContainer", "1 4"),
		plains("maxQueueWaitMs", "500 1"),
		plains("livenessProbeRequirements.periodSeconds", "10"),
		plains("livenessProbeRequirements.initialDelaySeconds", "310 1"),
		plains("livenessProbeRequirements.timeoutSeconds", "2"),
		plains("livenessProbeRequirements.successThreshold", "1 2"),
		plains("livenessProbeRequirements.failureThreshold", "3"),
		quotes("computeTargetName", "cluster"),
		quotes("versionName", "blue ver a1b a--b "+long(32)),
		plains("trafficPercentile", "0 20 33.3 100"),
	}
}

func long(n int) string {
	return string(slices.Repeat([]byte("a"), n))
}

// deploymentSample makes a config that is right, and in more than half of the
// cases changes something about it.
func deploymentSample(d dice, computeType string) sample {
	t := object(entry{"computeType", text(computeType)})
	fields := deploymentFields()
	for _, f := range fields {
		if d.chance(25) {
			t.set(f.path, pick(d, f.right))
		}
	}
	arrangeScaling(d, t)
	if d.chance(85) {
		// Both on is tested now and then, by what is left of the cases.
		t.drop(pick(d, []string{"authEnabled", "tokenAuthEnabled"}))
	}
	d.Shuffle(len(t.entries), func(i, j int) { t.entries[i], t.entries[j] = t.entries[j], t.entries[i] })
	s := sample{question: "deployment", tree: t, style: style(d.IntN(int(styles)))}
	switch {
	case d.chance(35):
	case d.chance(20):
		pick(d, crossings())(t)
	case d.chance(8):
		t.set("computeType", pick(d, []*tree{plain("null"), plain("1"), text(""), text("MIR"), text("aks"),
			text("aksEndpoint"), text(" AKS"), text("local"), text("Aci"), list(), text("AKS\n"), plain("yes")}))
	default:
		spoil(d, &s, fields)
	}
	return s
}

// arrangeScaling brings autoscaling and replicas into one of the combinations
// that are right.
func arrangeScaling(d dice, t *tree) {
	const enabled = "autoScaler.autoscaleEnabled"
	switch d.IntN(4) {
	case 0:
		t.set(enabled, plain("true"))
		t.drop("numReplicas")
		if d.chance(60) {
			t.drop("autoScaler.maxReplicas")
		}
	case 1:
		t.drop("autoScaler")
	case 2:
		t.set("autoScaler", object(entry{"autoscaleEnabled", plain("false")}))
		t.set("numReplicas", plain("2"))
	default:
		t.drop("autoScaler")
		t.drop("numReplicas")
	}
}

// crossings are combinations of fields that have a rule of their own.
func crossings() []func(*tree) {
	set := func(pairs ...string) func(*tree) {
		return func(t *tree) {
			for i := 0; i < len(pairs); i += 2 {
				t.set(pairs[i], plain(pairs[i+1]))
			}
		}
	}
	const scaler = "autoScaler."
	return []func(*tree){
		set(scaler+"autoscaleEnabled", "true", "numReplicas", "1"),
		set(scaler+"autoscaleEnabled", "true", "numReplicas", "0"),
		set(scaler+"autoscaleEnabled", "true", scaler+"minReplicas", "0"),
		set(scaler+"autoscaleEnabled", "false", "numReplicas", "0"),
		set(scaler+"autoscaleEnabled", "false", scaler+"minReplicas", "0", "numReplicas", "2"),
		set(scaler+"autoscaleEnabled", "false", scaler+"targetUtilization", "70", "numReplicas", "2"),
		set(scaler+"autoscaleEnabled", "null", scaler+"maxReplicas", "0", "numReplicas", "2"),
		set(scaler+"autoscaleEnabled", "null", scaler+"maxReplicas", "-1"),
		set(scaler+"autoscaleEnabled", "false", "numReplicas", "null"),
		set(scaler+"autoscaleEnabled", "true", scaler+"minReplicas", "5", scaler+"maxReplicas", "2", "numReplicas", "null"),
		set(scaler+"autoscaleEnabled", "true", scaler+"minReplicas", "11", scaler+"maxReplicas", "null", "numReplicas",
			"null"),
		set(resources+"cpu", "2", resources+"cpuLimit", "1"),
		set(resources+"cpu", "1", resources+"cpuLimit", "1"),
		set(resources+"cpu", "null", resources+"cpuLimit", "0"),
		set(resources+"cpu", "1", resources+"cpuLimit", "-1"),
		set(resources+"memoryInGB", "2", resources+"memoryInGBLimit", "1"),
		set(resources+"memoryInGB", "null", resources+"memoryInGBLimit", "-1"),
		set("authEnabled", "true", "tokenAuthEnabled", "true"),
		set("authEnabled", "false", "tokenAuthEnabled", "false"),
		set("authEnabled", "false", "tokenAuthEnabled", "true"),
		set("gpuCores", "0.5"), set("gpuCores", "-1"), set("trafficPercentile", "-0.1"), set("trafficPercentile", "100.5"),
		set("keys.primaryKey", "null", "keys.secondaryKey", "second"),
		set("livenessProbeRequirements.initialDelaySeconds", "0"),
		func(t *tree) { t.set(scaler+"autoscaleEnabled", text("true")) },
		func(t *tree) { t.set("namespace", text("Models")) }, func(t *tree) { t.set("namespace", text(long(64))) },
		func(t *tree) { t.set("namespace", text("-a")) }, func(t *tree) { t.set("namespace", text("a.b")) },
		func(t *tree) { t.set("versionName", text("v1")) }, func(t *tree) { t.set("versionName", text(long(33))) },
		func(t *tree) { t.set("versionName", text("Blue")) }, func(t *tree) { t.set("versionName", text("blue-")) },
		func(t *tree) { t.set("namespace", text("a\n")) }, func(t *tree) { t.set("versionName", text("blue\n")) },
	}
}
