{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* What stands against the way requests are routed, as a JSON list: a gateway does only part of what the router does. */}}
{{- define "inference.routing.wrong" -}}
{{- $wrong := list -}}
{{- $gateway := .Values.routing.gateway -}}
{{- if eq .Values.routing.mode "router" -}}
{{- range $key, $value := $gateway -}}
{{- if $value -}}
{{- $wrong = append $wrong (printf "routing.gateway.%s: the router belongs to no gateway: leave it empty, or set routing.mode to gateway" $key) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- if not $gateway.name -}}
{{- $wrong = append $wrong "routing.gateway.name: name the Gateway that the endpoint's HTTPRoute belongs to" -}}
{{- end -}}
{{- if eq .Values.auth.mode "key" -}}
{{- $wrong = append $wrong "auth.mode: a gateway does not check the endpoint's keys: set auth.mode to none and let a policy of the gateway ask for credentials, or set routing.mode to router" -}}
{{- end -}}
{{- if .Values.stickiness.header -}}
{{- $wrong = append $wrong "stickiness.header: a gateway draws a version for each request: leave it empty, or set routing.mode to router" -}}
{{- end -}}
{{- range include "inference.routing.idle" . | fromJsonArray -}}
{{- $wrong = append $wrong (printf "router.%s: there is no router with routing.mode gateway: leave out what is set, the gateway has settings of its own" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end }}

{{/* The settings of the router that are not the chart's own, as a JSON list; image and resources do no harm. */}}
{{- define "inference.routing.idle" -}}
{{- $router := .Values.router -}}
{{- $idle := list -}}
{{- if int $router.replicas }}{{ $idle = append $idle "replicas" }}{{ end -}}
{{- if $router.restartOnChange }}{{ $idle = append $idle "restartOnChange" }}{{ end -}}
{{- if ne $router.service.type "ClusterIP" }}{{ $idle = append $idle "service.type" }}{{ end -}}
{{- if ne (int $router.service.port) 80 }}{{ $idle = append $idle "service.port" }}{{ end -}}
{{- if $router.service.annotations }}{{ $idle = append $idle "service.annotations" }}{{ end -}}
{{- if ne (int64 $router.maxRequestBytes) 104857600 }}{{ $idle = append $idle "maxRequestBytes" }}{{ end -}}
{{- toJson $idle -}}
{{- end }}
