// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// aspect is what two answers can differ in.
type aspect string

const (
	// refused here, accepted by Azure ML.
	refused aspect = "refused"
	// accepted here, refused by Azure ML.
	accepted aspect = "accepted"
	// configured is another resulting configuration.
	configured aspect = "configured"
	// silent is a message of Azure ML that has no finding of ours at its field.
	silent aspect = "silent"
	// mistaken is a finding about a type that Azure ML did not read there.
	mistaken aspect = "mistaken"
)

// difference is one thing in which two answers differ. Text is what the
// patterns of the deviations are held against.
type difference struct {
	aspect aspect
	field  string
	text   string
}

// signature is the same for differences of one kind.
func (d difference) signature() string {
	return string(d.aspect) + " " + d.field + " " + regexp.MustCompile(`"[^"]*"|'[^']*'|[0-9.]+|/\S+`).
		ReplaceAllString(d.text, "…")
}

// compare returns all differences of two answers to one question.
func compare(q question, theirs, mine answer, findings amlv1.Findings) []difference {
	var out []difference
	switch {
	case len(theirs.Refused) > 0 && len(mine.Refused) > 0:
		out = unsaid(theirs, findings)
	case len(mine.Refused) > 0:
		for _, f := range findings {
			if !f.Warning {
				out = append(out, difference{refused, f.Field, strings.TrimPrefix(f.Field+": "+f.Message, ": ")})
			}
		}
	case len(theirs.Refused) > 0:
		out = append(out, difference{accepted, "", strings.Join(theirs.Refused, " | ")})
	default:
		out = compareConfigs(flattenTheirs(q, theirs.Config), flatten(mine.Config))
	}
	return append(out, mistakes(theirs, findings)...)
}

func compareConfigs(theirs, mine map[string]string) []difference {
	keys := slices.Collect(maps.Keys(theirs))
	for key := range mine {
		if _, ok := theirs[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []difference
	for _, key := range keys {
		if theirs[key] != mine[key] {
			out = append(out, difference{configured, key, fmt.Sprintf("%s: %s, here %s", key, orNothing(theirs[key]),
				orNothing(mine[key]))})
		}
	}
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

var message = regexp.MustCompile(`Invalid configuration, (\w+) (\w+)`)

// unsaid returns the messages about fields of a deploymentconfig.json that are
// not among our findings.
func unsaid(theirs answer, findings amlv1.Findings) []difference {
	said := map[string]bool{}
	for _, f := range findings {
		if !f.Warning {
			said[f.Field] = true
		}
	}
	var out []difference
	for _, match := range message.FindAllStringSubmatch(strings.Join(theirs.Refused, "\n"), -1) {
		field := sdkNames()[match[1]]
		if said[""] || said[switchOf(match[0])] {
			// The text cannot be read, or the field that the rule hangs on: Azure ML took any text for true.
			continue
		}
		if match[1] == "autoscale" {
			field = "numReplicas"
		}
		if field != "" && !said[field] {
			out = append(out, difference{silent, field, match[0]})
		}
	}
	return out
}

const resources = "containerResourceRequirements."

// switchOf is the field that the rule behind a message hangs on.
func switchOf(message string) string {
	if strings.HasSuffix(message, "autoscale_min_replicas cannot") {
		return "autoScaler.maxReplicas"
	}
	if strings.Contains(message, "autoscale") {
		return "autoScaler.autoscaleEnabled"
	}
	if strings.Contains(message, "auth_enabled") {
		return "authEnabled"
	}
	if strings.Contains(message, "cpu_cores_limit") {
		return resources + "cpu"
	}
	if strings.Contains(message, "memory_gb_limit") {
		return resources + "memoryInGB"
	}
	return message
}

// sdkNames are the fields that the messages of Azure ML call by another name.
func sdkNames() map[string]string {
	const scaler, probe = "autoScaler.", "livenessProbeRequirements."
	return map[string]string{
		"cpu_cores": resources + "cpu", "cpu_cores_limit": resources + "cpuLimit",
		"memory_gb": resources + "memoryInGB", "memory_gb_limit": resources + "memoryInGBLimit", "gpu_cores": "gpuCores",
		"period_seconds": probe + "periodSeconds", "initial_delay_seconds": probe + "initialDelaySeconds",
		"timeout_seconds": probe + "timeoutSeconds", "success_threshold": probe + "successThreshold",
		"failure_threshold": probe + "failureThreshold", "namespace": "namespace", "scoring_timeout_ms": "scoringTimeoutMs",
		"replica_max_concurrent_requests": "maxConcurrentRequestsPerContainer", "max_request_wait_time": "maxQueueWaitMs",
		"num_replicas": "numReplicas", "autoscale_min_replicas": scaler + "minReplicas",
		"autoscale_max_replicas": scaler + "maxReplicas", "autoscale_refresh_seconds": scaler + "refreshPeriodInSeconds",
		"autoscale_target_utilization": scaler + "targetUtilization", "auth_enabled": "tokenAuthEnabled",
		"traffic_percentile": "trafficPercentile", "port": "port",
	}
}

var claim = regexp.MustCompile(
	`^must be (true or false|a whole number|a number|text|an object|a list)(, not | in quotes)`)

// mistakes returns the findings that say a value is not of a type although
// Azure ML read one of that type.
func mistakes(theirs answer, findings amlv1.Findings) []difference {
	if !theirs.Readable {
		return nil
	}
	var out []difference
	for _, f := range findings {
		match := claim.FindStringSubmatch(f.Message)
		if match == nil {
			continue
		}
		if value, ok := lookUp(theirs.Document, f.Field); ok && isType(value, match[1]) {
			out = append(out, difference{mistaken, f.Field,
				fmt.Sprintf("%s: %s, but Azure ML read %v", f.Field, f.Message, value)})
		}
	}
	return out
}

func lookUp(document any, path string) (any, bool) {
	for key := range strings.SplitSeq(path, ".") {
		object, ok := document.(map[string]any)
		if !ok {
			return nil, false
		}
		if document, ok = object[key]; !ok {
			return nil, false
		}
	}
	return document, true
}
