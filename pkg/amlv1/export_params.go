// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// params reads the params.json of Microsoft's migration tool, which is input
// for a template of the resource manager: {"NAME": {"value": …}, …}. The names
// are those that the tool's export-service-util.py changes; what is in a
// deployment follows the REST interface of online deployments.
func (x *exportReader) params(root *node) {
	name := root.get("onlineEndpointName").get("value")
	x.out.Name = x.name(root, name, "onlineEndpointName")
	endpoint := root.get("onlineEndpointProperties").get("value")
	x.keys(endpoint.get("keys"), "onlineEndpointProperties.keys")
	traffic := root.get("onlineEndpointPropertiesTrafficUpdate").get("value").get("traffic")
	if traffic == nil {
		traffic = endpoint.get("traffic")
	}
	deployments := root.get("onlineDeployments").get("value")
	if deployments == nil || deployments.kind != listKind || len(deployments.items) == 0 {
		x.report(root, "onlineDeployments", "must hold a list with the deployments: "+
			"give the params.json of the migration tool as it is")
		return
	}
	for i, d := range deployments.items {
		field := fmt.Sprintf("onlineDeployments[%d]", i)
		if d.kind != objectKind {
			x.report(d, field, "must be an object, not "+d.describe())
			continue
		}
		v := x.onlineDeployment(d, endpoint, field)
		v.Name = x.name(d, d.get("name"), field+".name")
		if share := traffic.get(v.Name); share != nil && len(deployments.items) > 1 {
			v.Config.TrafficPercentile = x.percent(share, "traffic."+v.Name)
		}
		x.out.Versions = append(x.out.Versions, v)
	}
}

func (x *exportReader) percent(n *node, field string) *float64 {
	if n.kind != numberKind || percent(n.number) != "" {
		x.report(n, field, percent(-1)+", not "+n.describe())
		return nil
	}
	return &n.number
}

func (x *exportReader) onlineDeployment(d, endpoint *node, field string) ExportedVersion {
	p := d.get("properties")
	if p == nil {
		p = d
	}
	w := wire{x: x, field: field, out: &node{kind: objectKind, at: d.at}}
	w.put("appInsightsEnabled", p.get("appInsightsEnabled"))
	w.requests(p.get("requestSettings"))
	w.probe(p.get("livenessProbe"))
	w.scale(p.get("scaleSettings"), d.get("sku"))
	w.resources(p.get("containerResourceRequirements"))
	w.auth(endpoint.get("authMode"))
	v := ExportedVersion{Config: x.config(w.out, field)}
	v.EntryScript = x.text(p.get("codeConfiguration").get("scoringScript"), field+".codeConfiguration.scoringScript")
	v.variables = x.variables(p.get("environmentVariables"), field+".environmentVariables")
	model := p.get("model")
	if model != nil && model.kind == objectKind {
		model = model.get("assetId")
	}
	if id := x.text(model, field+".model"); id != "" {
		v.Models = []string{modelOf(id)}
	}
	return v
}

var onlineModel = regexp.MustCompile(`(?:^|/)models/([^/:]+)(?:/versions/|:)([0-9]+)$`)

// modelOf is NAME:VERSION of a model's identifier.
func modelOf(id string) string {
	if m := onlineModel.FindStringSubmatch(id); m != nil {
		return m[1] + ":" + m[2]
	}
	return strings.TrimPrefix(id, "azureml:")
}

func (x *exportReader) variables(n *node, field string) map[string]string {
	if n == nil || n.kind != objectKind {
		return nil
	}
	out := map[string]string{}
	for _, e := range n.entries {
		if e.value.kind >= listKind || !isVariable(e.key) {
			x.report(e.value, join(field, e.key), "must be a name and a text, not "+e.value.describe())
			continue
		}
		if !isContract(e.key) {
			out[e.key] = e.value.text
		}
	}
	return out
}

// wire collects the settings of an online deployment under the names of a
// deploymentconfig.json.
type wire struct {
	x     *exportReader
	field string
	out   *node
}

func (w *wire) put(path string, value *node) {
	if value == nil || value.kind == nullKind {
		return
	}
	at := w.out
	parts := strings.Split(path, ".")
	for _, p := range parts[:len(parts)-1] {
		next := at.get(p)
		if next == nil {
			next = &node{kind: objectKind, at: value.at}
			at.entries = append(at.entries, entry{key: p, at: value.at, value: next})
		}
		at = next
	}
	at.entries = append(at.entries, entry{key: parts[len(parts)-1], at: value.at, value: value})
}

func (w *wire) requests(n *node) {
	w.put("maxConcurrentRequestsPerContainer", n.get("maxConcurrentRequestsPerInstance"))
	w.put("maxQueueWaitMs", w.duration(n.get("maxQueueWait"), "requestSettings.maxQueueWait", 1000))
	w.put("scoringTimeoutMs", w.duration(n.get("requestTimeout"), "requestSettings.requestTimeout", 1000))
}

func (w *wire) probe(n *node) {
	const to = "livenessProbeRequirements."
	for key, path := range map[string]string{"initialDelay": "initialDelaySeconds", "period": "periodSeconds",
		"timeout": "timeoutSeconds"} {
		w.put(to+path, w.duration(n.get(key), "livenessProbe."+key, 1))
	}
	w.put(to+"successThreshold", n.get("successThreshold"))
	w.put(to+"failureThreshold", n.get("failureThreshold"))
}

func (w *wire) scale(n, sku *node) {
	kind := w.x.text(n.get("scaleType"), join(w.field, "scaleSettings.scaleType"))
	if kind == "TargetUtilization" || kind == "Auto" {
		const to = "autoScaler."
		w.put(to+"autoscaleEnabled", &node{kind: boolKind, at: n.at, truth: true, text: "true"})
		w.put(to+"minReplicas", n.get("minInstances"))
		w.put(to+"maxReplicas", n.get("maxInstances"))
		w.put(to+"targetUtilization", n.get("targetUtilizationPercentage"))
		w.put(to+"refreshPeriodInSeconds",
			w.duration(n.get("pollingInterval"), "scaleSettings.pollingInterval", 1))
		return
	}
	count := n.get("instanceCount")
	if count == nil {
		count = sku.get("capacity")
	}
	if count == nil {
		count = &node{kind: numberKind, at: w.out.at, number: 1, text: "1"}
	}
	w.put("numReplicas", count)
}

func (w *wire) resources(n *node) {
	const to = "containerResourceRequirements."
	requests, limits := n.get("containerResourceRequests"), n.get("containerResourceLimits")
	if requests == nil && limits == nil { // the form of older interfaces
		w.put(to+"cpu", n.get("cpu"))
		w.put(to+"cpuLimit", n.get("cpuLimit"))
		w.put(to+"memoryInGB", n.get("memoryInGB"))
		w.put(to+"memoryInGBLimit", n.get("memoryInGBLimit"))
		w.put("gpuCores", n.get("gpu"))
		return
	}
	w.put(to+"cpu", w.quantity(requests.get("cpu"), 1))
	w.put(to+"cpuLimit", w.quantity(limits.get("cpu"), 1))
	w.put(to+"memoryInGB", w.quantity(requests.get("memory"), gib))
	w.put(to+"memoryInGBLimit", w.quantity(limits.get("memory"), gib))
	gpu := limits.get("gpu")
	if gpu == nil {
		gpu = requests.get("gpu")
	}
	w.put("gpuCores", w.quantity(gpu, 1))
}

func (w *wire) auth(mode *node) {
	switch text := w.x.text(mode, "onlineEndpointProperties.authMode"); text {
	case "AMLToken", "AADToken":
		w.put("tokenAuthEnabled", &node{kind: boolKind, at: mode.at, truth: true, text: "true"})
	case "Key":
		w.put("authEnabled", &node{kind: boolKind, at: mode.at, truth: true, text: "true"})
	}
}

const gib = 1 << 30

// quantity reads an amount of Kubernetes in the unit given.
func (w *wire) quantity(n *node, unit float64) *node {
	if n == nil || n.kind != textKind {
		return n
	}
	q, err := resource.ParseQuantity(n.text)
	if err != nil {
		w.x.report(n, join(w.field, "containerResourceRequirements"),
			fmt.Sprintf("must be an amount of Kubernetes such as 500m or 1Gi, not %q", short(n.text)))
		return nil
	}
	return amountNode(n.at, q.AsApproximateFloat64()/unit)
}

func amountNode(at place, f float64) *node {
	f = math.Round(f*1e6) / 1e6
	return &node{kind: numberKind, at: at, number: f, text: decimal(f)}
}

var isoDuration = regexp.MustCompile(
	`^P(?:([0-9.]{1,9})D)?(?:T(?:([0-9.]{1,9})H)?(?:([0-9.]{1,9})M)?(?:([0-9.]{1,12})S)?)?$`)

// duration reads a duration of ISO 8601, such as PT1M30S, in parts of a second.
func (w *wire) duration(n *node, field string, perSecond float64) *node {
	if n == nil || n.kind != textKind {
		return n
	}
	m := isoDuration.FindStringSubmatch(n.text)
	total := 0.0
	for i, seconds := range []float64{24 * 3600, 3600, 60, 1} {
		if m == nil || m[i+1] == "" {
			continue
		}
		f, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			m = nil
			continue
		}
		total += f * seconds
	}
	if m == nil {
		w.x.report(n, join(w.field, field), fmt.Sprintf("must be a duration such as PT1M30S, not %q", short(n.text)))
		return nil
	}
	return amountNode(n.at, math.Ceil(total*perSecond))
}
