// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What is read of Envoy's and HAProxy's metrics.
const (
	sentName     = "envoy_cluster_upstream_rq_total"
	answeredName = "envoy_cluster_upstream_rq_xx"
	timesName    = "envoy_cluster_upstream_rq_time"
	healthyName  = "envoy_cluster_membership_healthy"
	uptimeName   = "envoy_server_uptime"
	clusterLabel = "envoy_cluster_name"
	classLabel   = "envoy_response_code_class"

	queueName    = "haproxy_backend_current_queue"
	sessionsName = "haproxy_backend_current_sessions"
	proxyLabel   = "proxy"
	// Requests wait in the one backend and are scored by the other; a few wait
	// there too, for a place that a caller who gave up still takes.
	waitingProxy = "queue"
	scoringProxy = "app"
)

// parseCounters reads a router's metrics in Prometheus' text form. It refuses
// what is not that, and takes no number for one that no count can be.
func parseCounters(pod string, in io.Reader) (Counters, error) {
	families, err := parseText(in)
	if err != nil {
		return Counters{}, fmt.Errorf("pod %s does not tell its metrics as a router does: %w", pod, err)
	}
	c := Counters{Pod: pod, Clusters: map[string]Cluster{}}
	for _, m := range families[uptimeName].GetMetric() {
		c.Uptime = value(m)
	}
	c.each(families[sentName], func(k *Cluster, m *dto.Metric) { k.Sent += value(m) })
	c.each(families[healthyName], func(k *Cluster, m *dto.Metric) { k.Down = value(m) == 0 })
	c.each(families[timesName], func(k *Cluster, m *dto.Metric) { k.Times = times(m) })
	c.each(families[answeredName], func(k *Cluster, m *dto.Metric) {
		k.Answered += value(m)
		if label(m, classLabel) == "5" {
			k.Failed += value(m)
		}
	})
	return c, nil
}

// each lets add change the cluster of each metric of the family.
func (c *Counters) each(family *dto.MetricFamily, add func(*Cluster, *dto.Metric)) {
	for _, m := range family.GetMetric() {
		name := label(m, clusterLabel)
		cluster := c.Clusters[name]
		add(&cluster, m)
		c.Clusters[name] = cluster
	}
}

// parseQueue reads a limiter's metrics in Prometheus' text form.
func parseQueue(in io.Reader) (Queue, error) {
	families, err := parseText(in)
	if err != nil {
		return Queue{}, err
	}
	gauge := func(family, proxy string) int {
		for _, m := range families[family].GetMetric() {
			if label(m, proxyLabel) == proxy {
				return int(min(value(m), math.MaxInt32))
			}
		}
		return 0
	}
	late := gauge(queueName, scoringProxy)
	return Queue{
		Waiting: gauge(queueName, waitingProxy) + late,
		Running: max(gauge(sessionsName, scoringProxy)-late, 0),
	}, nil
}

func parseText(in io.Reader) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(in)
}

// value is a counter's or gauge's number, 0 instead of one that no count can be.
func value(m *dto.Metric) float64 {
	return countOf(m.GetUntyped().GetValue() + m.GetGauge().GetValue() + m.GetCounter().GetValue())
}

// countOf takes what is negative, no number, or so large that adding 1 to it
// changes nothing for 0.
func countOf(v float64) float64 {
	if v >= 0 && v < 1<<53 {
		return v
	}
	return 0
}

// times are a histogram's counts of each interval for itself.
func times(m *dto.Metric) map[float64]float64 {
	buckets := slices.Clone(m.GetHistogram().GetBucket())
	slices.SortFunc(buckets, func(a, b *dto.Bucket) int {
		return cmp.Compare(a.GetUpperBound(), b.GetUpperBound())
	})
	counts, before := map[float64]float64{}, 0.0
	for _, b := range buckets {
		count := countOf(float64(b.GetCumulativeCount()))
		if !math.IsNaN(b.GetUpperBound()) {
			counts[b.GetUpperBound()] += max(count-before, 0)
			before = max(count, before)
		}
	}
	return counts
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// share is what follows the version in the name of the cluster of its share.
const share = "_or_default"

// versionOf returns the version of a cluster, and whether it is the cluster of
// its share. Names with another underscore are not those of versions: mirrors
// and the router's own.
func versionOf(cluster string) (version string, ofShare, ok bool) {
	version, ofShare = strings.CutSuffix(cluster, share)
	return version, ofShare, version != "" && !strings.Contains(version, "_")
}
