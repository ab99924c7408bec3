{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/*
Fills what .given lacks from .defaults, in place. Sprig's merge is of no use here: to it 0 and false are absent.
*/}}
{{- define "inference.fill" -}}
{{- range $key, $default := .defaults }}
{{- $value := get $.given $key }}
{{- if or (not (hasKey $.given $key)) (kindIs "invalid" $value) }}
{{- $_ := set $.given $key $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) }}
{{- include "inference.fill" (dict "given" $value "defaults" $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The versions with all their values, as JSON: NAME: values. */}}
{{- define "inference.versions" -}}
{{- $defaults := .Files.Get "files/version-defaults.yaml" -}}
{{- $versions := deepCopy (.Values.versions | default dict) -}}
{{- range $name, $version := $versions -}}
{{- if not $version }}{{ $version = dict }}{{ $_ := set $versions $name $version }}{{ end -}}
{{- include "inference.fill" (dict "given" $version "defaults" (fromYaml $defaults)) -}}
{{- end -}}
{{- toJson $versions -}}
{{- end }}

{{/*
Where requests go, as JSON: NAME: millionths. The default version gets what the others leave, its own percentile
included, so that the sum is 1000000 whatever the fractions.
*/}}
{{- define "inference.weights" -}}
{{- $weights := dict -}}
{{- $left := 1000000 -}}
{{- range $name, $version := include "inference.versions" . | fromJson -}}
{{- if ne $name $.Values.defaultVersion -}}
{{- $weight := round (mulf $version.traffic 10000) 0 | int -}}
{{- $left = sub $left $weight -}}
{{- $_ := set $weights $name $weight -}}
{{- end -}}
{{- end -}}
{{- if hasKey (.Values.versions | default dict) .Values.defaultVersion -}}
{{- $_ := set $weights .Values.defaultVersion $left -}}
{{- end -}}
{{- toJson $weights -}}
{{- end }}

{{/*
Which part of all callers, or of all draws, has which version, as a JSON array of {version, until}: those of the values
if each version has its weight in them, and otherwise the versions by name with the default last.
*/}}
{{- define "inference.ranges" -}}
{{- $weights := include "inference.weights" . | fromJson -}}
{{- $left := deepCopy $weights -}}
{{- $at := 0 -}}
{{- $fit := true -}}
{{- $given := (.Values.stickiness | default dict).ranges -}}
{{- range $given -}}
{{- $size := sub (int .until) (int $at) -}}
{{- $_ := set $left .version (sub (get $left .version | default 0 | int) $size) -}}
{{- $fit = and $fit (gt (int $size) 0) -}}
{{- $at = int .until -}}
{{- end -}}
{{- range $left }}{{ $fit = and $fit (eq (int .) 0) }}{{ end -}}
{{- if $fit -}}
{{- toJson $given -}}
{{- else -}}
{{- $ranges := list -}}
{{- $at = 0 -}}
{{- range $name := append (without (keys $weights | sortAlpha) .Values.defaultVersion) .Values.defaultVersion -}}
{{- if gt (get $weights $name | default 0 | int) 0 -}}
{{- $at = add $at (get $weights $name | int) -}}
{{- $ranges = append $ranges (dict "version" $name "until" $at) -}}
{{- end -}}
{{- end -}}
{{- toJson $ranges -}}
{{- end -}}
{{- end }}

{{/* Milliseconds, rounded up to seconds. */}}
{{- define "inference.seconds" -}}
{{- div (add (int64 .) 999) 1000 -}}
{{- end }}

{{/*
The router's backstop for one version: the limiter answers 503 after the queue and 504 after the scoring time-out,
so the router only has to cut what the limiter lost. Call with the version's values.
*/}}
{{- define "inference.routeTimeoutMs" -}}
{{- add (int64 .maxQueueWaitMs) (int64 .scoringTimeoutMs) 1000 -}}
{{- end }}

{{/* The longest backstop of all versions, in milliseconds. */}}
{{- define "inference.longestTimeoutMs" -}}
{{- $longest := 1000 -}}
{{- range include "inference.versions" . | fromJson -}}
{{- $longest = max $longest (include "inference.routeTimeoutMs" . | int64) -}}
{{- end -}}
{{- $longest -}}
{{- end }}

{{/*
Seconds for which a router may still send to a replica after it was told to end, and may not know the one in its place:
  3  until its address has left the EndpointSlice and CoreDNS has heard of it
 30  for which a cache may go on with it: kubeadm's CoreDNS gives records a TTL of 30 s and kept them that long until
     kubernetes/kubernetes#128359, node-local caches do so, and managed clusters have Corefiles of their own
  1  because routers ask once a second, whatever the TTL
  1  to spare
*/}}
{{- define "inference.dnsSeconds" -}}
35
{{- end }}

{{/*
Seconds that a replica goes on working after it was told to end, before its scoring server is told: as long as
requests may come, and for the last of them the time in the queue. It also makes a rolling update lossless where DNS is
slow: an old replica is told to end when a new one is ready, and the routers know the new one before the old one is gone.
*/}}
{{- define "inference.preStopSeconds" -}}
{{- add (include "inference.dnsSeconds" .) (include "inference.seconds" .maxQueueWaitMs | int64) -}}
{{- end }}

{{/* Extended resource of a version's accelerator, empty for none. Call with the accelerator's values. */}}
{{- define "inference.acceleratorResource" -}}
{{- $usual := dict "nvidia" "nvidia.com/gpu" "amd" "amd.com/gpu" "intel" "gpu.intel.com/i915" "fpga" "xilinx.com/fpga" -}}
{{- if gt (int .count) 0 -}}
{{- .resource | default (get $usual .type) -}}
{{- end -}}
{{- end }}
