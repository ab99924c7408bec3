{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/*
Tried again is only what cannot have reached the model: no connection, or a limiter that says so, because its scoring
server has died. Three refused connections, or one word of a limiter, take a replica out, so ten tries with up to 25, 75,
175 and then 250 ms before each come past three replicas that are gone, also where there are no other requests.
*/}}
{{- define "inference.envoy.retry" -}}
retry_policy:
  retry_on: connect-failure,refused-stream,reset-before-request,retriable-headers
  retriable_headers: [{name: x-aml-limiter, string_match: {exact: down}}]
  num_retries: 10
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
{{ include "inference.envoy.score" (include "inference.routeTimeoutMs" .version) }}
{{- end }}

{{/*
How long an answer may take, and a WebSocket may be silent, which has no other end. What stands before the last part
of the path is not the scoring server's. Call with the milliseconds.
*/}}
{{- define "inference.envoy.score" -}}
timeout: {{ include "inference.envoy.seconds" . }}
idle_timeout: {{ max 305000 (add (int64 .) 5000) | include "inference.envoy.seconds" }}
regex_rewrite: {pattern: {regex: "^.*/([^/]+)$"}, substitution: "/\\1"}
{{ include "inference.envoy.retry" . }}
{{- end }}

{{/* How long a stream of gRPC may be silent: it has no other end, nor a size. Call with the milliseconds. */}}
{{- define "inference.envoy.stream" -}}
timeout: 0s
idle_timeout: {{ include "inference.envoy.seconds" . }}
{{ include "inference.envoy.retry" . }}
{{- end }}

{{- define "inference.envoy.unbounded" -}}
typed_per_filter_config: {body_limit: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}
{{- end }}

{{/* Milliseconds as Envoy's duration. */}}
{{- define "inference.envoy.seconds" -}}
{{ printf "%.3f" (divf . 1000) }}s
{{- end }}

{{/*
Which requests versions get copies of. The router sends a copy's body as it comes, so it has to keep what the version
does not read: only requests are copied whose body is known to be below 1 MB, and none that become a WebSocket.
*/}}
{{- define "inference.envoy.copied" -}}
- headers:
  - {name: content-length, string_match: {safe_regex: {regex: "[0-9]{1,6}"}}}
  - {name: upgrade, present_match: true, invert_match: true}
- headers:
  - {name: ":method", string_match: {safe_regex: {regex: "GET|OPTIONS"}}}
  - {name: content-length, present_match: true, invert_match: true}
  - {name: transfer-encoding, present_match: true, invert_match: true}
  - {name: upgrade, present_match: true, invert_match: true}
{{- end }}

{{/* Who gets copies, as JSON: NAME: millionths. */}}
{{- define "inference.mirrors" -}}
{{- $mirrors := dict -}}
{{- range $name, $version := include "inference.versions" . | fromJson -}}
{{- if gt $version.mirror 0.0 -}}
{{- $_ := set $mirrors $name (round (mulf $version.mirror 10000) 0 | int) -}}
{{- end -}}
{{- end -}}
{{- toJson $mirrors -}}
{{- end }}

{{/* What the whole split has in common: call with the root. */}}
{{- define "inference.envoy.choose" -}}
inline_cluster_specifier_plugin:
  extension:
    name: split
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig
      default_cluster: {{ .Values.defaultVersion }}
      source_code:
        inline_string: |
          {{- include "inference.envoy.split" . | nindent 10 }}
{{- end }}

{{/* What /-/config answers: weights and copies in percent, as they are in force. */}}
{{- define "inference.config" -}}
{{- $weights := dict -}}
{{- range $name, $weight := include "inference.weights" . | fromJson -}}
{{- $_ := set $weights $name (divf $weight 10000) -}}
{{- end -}}
{{- $mirrors := dict -}}
{{- range $name, $millionths := include "inference.mirrors" . | fromJson -}}
{{- $_ := set $mirrors $name (divf $millionths 10000) -}}
{{- end -}}
{"hash":{{ toJson .hash }},"default":{{ toJson .Values.defaultVersion }},"weights":{{ toJson $weights }}
{{- with $mirrors }},"mirrors":{{ toJson . }}{{ end -}} }
{{- end }}

{{/*
The routes: all that a change of weights touches. Call with the root, with the key "hash" set.

The split is a script because clusters and routes are two files that Envoy reads one after the other: between the
two, a version that comes may be known to the routes only, and one that goes may be gone from the clusters. The
script never chooses a cluster that is not there: its share goes to the default version for that moment.
*/}}
{{- define "inference.envoy.rds" -}}
{{- $versions := include "inference.versions" . | fromJson -}}
{{- $protocols := list -}}
{{- range $versions }}{{ $protocols = append $protocols .protocol }}{{ end -}}
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
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}, headers: [{name: azureml-model-deployment, string_match: {exact: {{ $name }}}}]}
      route:
        {{- include "inference.envoy.pin" (dict "name" $name "version" $version) | nindent 8 }}
    {{- end }}
    {{- if has "h2c" $protocols }}
    # gRPC: its paths name services and methods, so it has no other address than the endpoint's.
    - match: {prefix: /_limiter/}
      direct_response: {status: 404, body: {inline_string: "no such path\n"}}
    {{- range $name, $version := $versions }}
    - match: {prefix: /, grpc: {}, headers: [{name: azureml-model-deployment, string_match: {exact: {{ $name }}}}]}
      route:
        cluster: {{ $name }}
        cluster_not_found_response_code: NOT_FOUND
        {{- include "inference.envoy.stream" (include "inference.routeTimeoutMs" $version) | nindent 8 }}
      {{- include "inference.envoy.unbounded" . | nindent 6 }}
    {{- end }}
    {{- end }}
    - match: {prefix: /, headers: [{name: azureml-model-deployment, present_match: true}]}
      direct_response: {status: 404, body: {inline_string: "this endpoint has no version of the name in azureml-model-deployment\n"}}
    {{- if $versions }}
    {{- $longest := include "inference.longestTimeoutMs" . }}
    {{- with include "inference.mirrors" . | fromJson }}
    {{- $mirrors := . }}
    {{- range include "inference.envoy.copied" . | fromYamlArray }}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}, headers: {{ toJson .headers }}}
      route:
        {{- include "inference.envoy.score" $longest | nindent 8 }}
        request_mirror_policies:
        {{- range $name, $millionths := $mirrors }}
        - cluster: {{ $name }}_mirror
          disable_shadow_host_suffix_append: true
          trace_sampled: false
          runtime_fraction: {default_value: {numerator: {{ int $millionths }}, denominator: MILLION}}
        {{- end }}
        {{- include "inference.envoy.choose" $ | nindent 8 }}
    {{- end }}
    {{- end }}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}}
      route:
        {{- include "inference.envoy.score" $longest | nindent 8 }}
        {{- include "inference.envoy.choose" . | nindent 8 }}
    {{- if has "h2c" $protocols }}
    - match: {prefix: /, grpc: {}}
      route:
        {{- include "inference.envoy.stream" $longest | nindent 8 }}
        {{- include "inference.envoy.choose" . | nindent 8 }}
      {{- include "inference.envoy.unbounded" . | nindent 6 }}
    {{- end }}
    {{- else }}
    - match: {safe_regex: {regex: "{{ $front }}/(score|swagger\\.json)"}}
      direct_response: {status: 503, body: {inline_string: "this endpoint has no version yet\n"}}
    {{- end }}
    - match: {prefix: /}
      direct_response: {status: 404, body: {inline_string: "no such path: use {{ $prefix }}/score\n"}}
{{- end }}

{{/*
Chooses the cluster of a request by its draw, in Lua. 618033 is the golden section of a million, and has no divisor in
common with it.
*/}}
{{- define "inference.envoy.split" -}}
local default = "{{ .Values.defaultVersion }}"
-- {cluster, where its part of the draws ends}
local parts = {
{{- range include "inference.ranges" . | fromJsonArray }}
  {"{{ .version }}{{ if ne .version $.Values.defaultVersion }}_or_default{{ end }}", {{ int .until }}},
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
{{ include "inference.envoy.draw" . }}

function envoy_on_route(handle)
  local drawn = draw(handle)
  for _, part in ipairs(parts) do
    if drawn < part[2] then
      if handle:getCluster(part[1]) then return part[1] end
      break
    end
  end
  if handle:getCluster(default) then return default end
  -- the default version itself comes or goes
  for _, name in ipairs(known) do
    if handle:getCluster(name) then return name end
  end
  return default
end
{{- end }}

{{/*
The draw of a request, 0 to 999999. A caller's is Bob Jenkins' one-at-a-time hash of the endpoint's name, so that the
same callers are not the first to meet every endpoint's new version, and of the first 1024 bytes of the header.
*/}}
{{- define "inference.envoy.draw" -}}
{{- with (.Values.stickiness | default dict).header }}
local function mix(hash, text)
  for i = 1, math.min(#text, 1024) do
    hash = bit.tobit(hash + text:byte(i))
    hash = bit.tobit(hash + bit.lshift(hash, 10))
    hash = bit.bxor(hash, bit.rshift(hash, 6))
  end
  return hash
end
local seed = mix(0, "{{ $.Release.Name }}/")

local function draw(handle)
  local caller = handle:headers():get("{{ . }}")
  if not caller or caller == "" then return next_draw() end
  local hash = mix(seed, caller)
  hash = bit.tobit(hash + bit.lshift(hash, 3))
  hash = bit.bxor(hash, bit.rshift(hash, 11))
  hash = bit.tobit(hash + bit.lshift(hash, 15))
  return math.floor(hash % 4294967296 / 4294967296 * 1000000)
end
{{- else }}
local function draw(handle) return next_draw() end
{{- end }}
{{- end }}

{{/* The hash of all that the routers read from the ConfigMap while they run. */}}
{{- define "inference.configHash" -}}
{{- $blank := dict "hash" "" "Values" .Values "Release" .Release "Chart" .Chart "Files" .Files -}}
{{- $tls := .Values.tls.existingSecret | empty | ternary "" (include "inference.envoy.sds" . | printf "\n%s") -}}
{{- printf "%s\n%s\n%s%s" (include "inference.envoy.lds" .) (include "inference.envoy.cds" .) (include "inference.envoy.rds" $blank) $tls | sha256sum | trunc 16 -}}
{{- end }}
