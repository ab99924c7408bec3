{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* Tried again is only what cannot have reached the model. */}}
{{- define "inference.envoy.retry" -}}
retry_policy:
  retry_on: connect-failure,refused-stream,reset-before-request
  num_retries: 5
  retry_back_off: {base_interval: 0.025s, max_interval: 0.25s}
  retry_host_predicate:
  - name: envoy.retry_host_predicates.previous_hosts
    typed_config: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
  host_selection_retry_max_attempts: 5
{{- end }}

{{/* What goes round the auth slot. */}}
{{- define "inference.envoy.open" -}}
typed_per_filter_config: {auth: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}
{{- end }}

{{/* One version alone. Call with (dict "name" NAME "version" VALUES). */}}
{{- define "inference.envoy.pin" -}}
cluster: {{ .name }}
cluster_not_found_response_code: NOT_FOUND
timeout: {{ printf "%.3f" (divf (include "inference.routeTimeoutMs" .version) 1000) }}s
{{ include "inference.envoy.retry" . }}
{{- end }}

{{/* What /-/config answers: the weights in percent, as they are in force. */}}
{{- define "inference.config" -}}
{{- $weights := dict -}}
{{- range $name, $weight := include "inference.weights" . | fromJson -}}
{{- $_ := set $weights $name (divf $weight 10000) -}}
{{- end -}}
{"hash":{{ toJson .hash }},"default":{{ toJson .Values.defaultVersion }},"weights":{{ toJson $weights }}}
{{- end }}

{{/*
The routes: all that a change of weights touches. Call with the root, with the key "hash" set.

The split is a script because clusters and routes are two files that Envoy reads one after the other: between the
two, a version that comes may be known to the routes only, and one that goes may be gone from the clusters. The
script never chooses a cluster that is not there: its share goes to the default version for that moment.
*/}}
{{- define "inference.envoy.rds" -}}
{{- $versions := include "inference.versions" . | fromJson -}}
{{- $prefix := printf "/api/v1/service/%s" .Release.Name -}}
{{- $front := printf "(?:%s)?" $prefix -}}
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: scoring
  validate_clusters: false
  virtual_hosts:
  - name: scoring
    domains: ["*"]
    # The model never sees a key.
    request_headers_to_remove: [authorization]
    routes:
    # Open to everybody: liveness, health as the scoring server tells it, and which configuration runs.
    - match: {path: /healthz}
      direct_response: {status: 200, body: {inline_string: "Healthy"}}
      {{- include "inference.envoy.open" . | nindent 6 }}
    - match: {path: /}
      direct_response: {status: 200, body: {inline_string: "Healthy"}}
      {{- include "inference.envoy.open" . | nindent 6 }}
    - match: {path: /-/config}
      direct_response: {status: 200, body: {inline_string: {{ include "inference.config" . | quote }}}}
      response_headers_to_add: [{header: {key: content-type, value: application/json}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
      {{- include "inference.envoy.open" . | nindent 6 }}
    # Readiness: through the auth slot, which lets it pass once it is loaded.
    - match: {path: /-/ready}
      direct_response: {status: 200, body: {inline_string: "ready"}}
    - match: {prefix: /, headers: [{name: ":method", string_match: {safe_regex: {regex: "GET|POST|OPTIONS"}}, invert_match: true}]}
      direct_response: {status: 405, body: {inline_string: "use GET, POST or OPTIONS\n"}}
      response_headers_to_add: [{header: {key: allow, value: "GET, POST, OPTIONS"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
    {{- range $name, $version := $versions }}
    - match: {safe_regex: {regex: "{{ $prefix }}/versions/{{ $name }}/(score|swagger\\.json)"}}
      route:
        {{- include "inference.envoy.pin" (dict "name" $name "version" $version) | nindent 8 }}
        regex_rewrite: {pattern: {regex: "^.*/([^/]+)$"}, substitution: "/\\1"}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}, headers: [{name: azureml-model-deployment, string_match: {exact: {{ $name }}}}]}
      route:
        {{- include "inference.envoy.pin" (dict "name" $name "version" $version) | nindent 8 }}
        regex_rewrite: {pattern: {regex: "^.*/([^/]+)$"}, substitution: "/\\1"}
    {{- end }}
    - match: {prefix: /, headers: [{name: azureml-model-deployment, present_match: true}]}
      direct_response: {status: 404, body: {inline_string: "this endpoint has no version of the name in azureml-model-deployment\n"}}
    {{- if $versions }}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}}
      route:
        timeout: {{ printf "%.3f" (divf (include "inference.longestTimeoutMs" .) 1000) }}s
        {{- include "inference.envoy.retry" . | nindent 8 }}
        regex_rewrite: {pattern: {regex: "^.*/([^/]+)$"}, substitution: "/\\1"}
        inline_cluster_specifier_plugin:
          extension:
            name: split
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig
              default_cluster: {{ .Values.defaultVersion }}
              source_code:
                inline_string: |
                  {{- include "inference.envoy.split" . | nindent 18 }}
    {{- else }}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}}
      direct_response: {status: 503, body: {inline_string: "this endpoint has no version yet\n"}}
    {{- end }}
    - match: {prefix: /}
      direct_response: {status: 404, body: {inline_string: "no such path: use {{ $prefix }}/score\n"}}
{{- end }}

{{/* Chooses the cluster of a request by the weights, in Lua. 618033 is the golden section of a million, and has no divisor in common with it. */}}
{{- define "inference.envoy.split" -}}
local default = "{{ .Values.defaultVersion }}"
-- {cluster, millionths}; what is left is the default version's
local shares = {
{{- range $name, $weight := include "inference.weights" . | fromJson }}
{{- if and (ne $name $.Values.defaultVersion) (gt (int $weight) 0) }}
  {"{{ $name }}_or_default", {{ int $weight }}},
{{- end }}
{{- end }}
}
local known = { {{- range $name, $_ := .Values.versions }}"{{ $name }}", {{ end -}} }
-- Each worker of each router begins somewhere else, and goes on by the golden section: so every share is met within
-- a few requests and not only on the average, and after a million requests to the last one.
math.randomseed(os.time() + (tonumber(tostring({}):match("0x(%x+)"), 16) or 0) % 1000000007)
local position = math.random(0, 999999)

local function next_draw()
  position = (position + 618033) % 1000000
  return position
end

function envoy_on_route(handle)
  local draw = next_draw()
  for _, share in ipairs(shares) do
    if draw < share[2] then
      if handle:getCluster(share[1]) then return share[1] end
      break
    end
    draw = draw - share[2]
  end
  if handle:getCluster(default) then return default end
  -- the default version itself comes or goes
  for _, name in ipairs(known) do
    if handle:getCluster(name) then return name end
  end
  return default
end
{{- end }}

{{/* The hash of all that the routers read from the ConfigMap while they run. */}}
{{- define "inference.configHash" -}}
{{- $blank := dict "hash" "" "Values" .Values "Release" .Release "Chart" .Chart "Files" .Files -}}
{{- printf "%s\n%s\n%s" (include "inference.envoy.lds" .) (include "inference.envoy.cds" .) (include "inference.envoy.rds" $blank) | sha256sum | trunc 16 -}}
{{- end }}
