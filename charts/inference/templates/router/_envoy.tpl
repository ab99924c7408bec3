{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* Read once, at start. Everything that can change is in the three files it names, and in the auth slot. */}}
{{- define "inference.envoy.bootstrap" -}}
node: {id: router, cluster: {{ .Release.Name }}}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
dynamic_resources:
  lds_config:
    resource_api_version: V3
    path_config_source: {path: /etc/aml/router/lds.yaml, watched_directory: {path: /etc/aml/router}}
  cds_config:
    resource_api_version: V3
    path_config_source: {path: /etc/aml/router/cds.yaml, watched_directory: {path: /etc/aml/router}}
static_resources:
  # Their names begin with an underscore: no version can have such a name.
  clusters:
  - name: _admin
    type: STATIC
    load_assignment:
      cluster_name: _admin
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}}]}]
  - name: _self
    type: STATIC
    load_assignment:
      cluster_name: _self
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9902}}}}]}]
layered_runtime:
  layers:
  - name: static
    static_layer:
      # Requests that wait for a connection count as load too.
      envoy.reloadable_features.least_request_lb_count_pending_requests: true
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: 10000
stats_config:
  stats_tags:
  # Answers and times of a version's share are counted by V_or_default, those of pins by V. Copies are no answers:
  # V_mirror counts them under a name of its own.
  - {tag_name: aml_version, regex: '^cluster\.(([a-z][-a-z0-9]*?)(?:_or_default)?\.)'}
  - {tag_name: aml_mirror, regex: '^cluster\.(([a-z][-a-z0-9]*?)_mirror\.)'}
  stats_matcher:
    inclusion_list:
      patterns:
      - {safe_regex: {regex: '^cluster\.[a-z][^.]*\.(upstream_rq_time|upstream_rq_\d.*|upstream_rq_(active|pending.*|timeout|retry.*|total|completed)|membership_.*|upstream_cx_(active|connect_fail|overflow))$'}}
      - {prefix: http.scoring.}
      - {prefix: listener_manager.}
      - {prefix: cluster_manager.}
      - {prefix: server.}
  histogram_bucket_settings:
  - match: {suffix: upstream_rq_time}
    buckets: [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000]
{{- end }}

{{/*
The listeners: 8080 for callers, 9902 for metrics and the drain. With TLS callers have 8443, and 8080 is for the cluster.
*/}}
{{- define "inference.envoy.lds" -}}
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: scoring
  address: {socket_address: {address: 0.0.0.0, port_value: {{ .Values.tls.existingSecret | empty | ternary 8080 8443 }}}}
  per_connection_buffer_limit_bytes: 1048576
  filter_chains:
  {{- if .Values.tls.existingSecret }}
  - {{ include "inference.envoy.tls" . | nindent 4 | trim }}
    filters:
  {{- else }}
  - filters:
  {{- end }}
    {{- include "inference.envoy.scoring" . | nindent 4 }}
{{- if .Values.tls.existingSecret }}
{{ include "inference.envoy.inside" . }}
{{- end }}
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: metrics
  address: {socket_address: {address: 0.0.0.0, port_value: 9902}}
  filter_chains:
  - filters:
    - name: hcm
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: metrics
        http_filters:
        - name: drain
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}
        - name: wait
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}
        - name: router
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
        route_config:
          virtual_hosts:
          - name: metrics
            domains: ["*"]
            routes:
            - {match: {path: /metrics}, route: {cluster: _admin, prefix_rewrite: "/stats/prometheus?usedonly"}}
            # Which replicas requests are sent to: the clusters that are versions, with the addresses that DNS gave.
            - {match: {path: /-/replicas}, route: {cluster: _admin, prefix_rewrite: "/clusters?format=json&filter=^[a-z][-a-z0-9]*$"}}
            - match: {path: /-/wait}
              direct_response: {status: 200}
              typed_per_filter_config:
                wait:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                  delay: {fixed_delay: 1s, percentage: {numerator: 100}}
            # preStop can only GET, and Envoy exits at once on SIGTERM. So this answers when the drain is over:
            # {{ include "inference.drainMinSeconds" . }} s for load balancers to look elsewhere, then until no request and no copy is left.
            - match: {path: /-/drain, headers: [{name: x-drain-token, string_match: {exact: {{ include "inference.drainToken" . }}}}]}
              direct_response: {status: 200, body: {inline_string: "drained\n"}}
              typed_per_filter_config:
                drain:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute
                  source_code:
                    inline_string: |
                      local function call(handle, cluster, method, path)
                        local headers = {[":method"] = method, [":path"] = path, [":authority"] = "router"}
                        local _, body = handle:httpCall(cluster, headers, "", 3000)
                        return body
                      end
                      function envoy_on_request(handle)
                        call(handle, "_admin", "POST", "/drain_listeners?graceful&skip_exit")
                        for _ = 1, {{ include "inference.drainMinSeconds" . }} do call(handle, "_self", "GET", "/-/wait") end
                        for _ = 1, {{ include "inference.drainMaxSeconds" . }} do
                          local active = call(handle, "_admin", "GET", "/stats?filter=^(http.scoring.downstream|cluster.[^.]*_mirror.upstream)_rq_active$")
                          if not active or not active:find(": [1-9]") then return end
                          call(handle, "_self", "GET", "/-/wait")
                        end
                      end
{{- end }}

{{/* What callers speak to. */}}
{{- define "inference.envoy.scoring" -}}
- name: hcm
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: scoring
    codec_type: AUTO
    use_remote_address: true
    # No peer is "internal": callers' own x-envoy-… headers are dropped.
    internal_address_config: {cidr_ranges: [{address_prefix: 240.0.0.0, prefix_len: 32}]}
    # The scoring server gives a caller's x-request-id back.
    preserve_external_request_id: true
    server_header_transformation: PASS_THROUGH
    stream_idle_timeout: 0s
    # A body that comes too slowly must not hold a replica for ever.
    request_timeout: 300s
    request_headers_timeout: 10s
    drain_timeout: 5s
    common_http_protocol_options: {idle_timeout: 300s, headers_with_underscores_action: ALLOW}
    normalize_path: true
    merge_slashes: true
    # These change only answers that Envoy itself gives, never those of the model.
    local_reply_config:
      mappers:
      # The auth slot refuses with 403; callers of Azure ML expect 401.
      - filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 403, runtime_key: unused}}}}
        status_code: 401
        body: {inline_string: "missing or wrong key: send the header Authorization: Bearer KEY\n"}
        headers_to_add: [{header: {key: www-authenticate, value: Bearer}}]
      # No ready replica, or none that takes a connection: the model has not seen the request.
      - filter: {response_flag_filter: {flags: [UH, UF, UO, NC]}}
        status_code: 503
        body: {inline_string: "no replica of the model is ready\n"}
        headers_to_add: [{header: {key: retry-after, value: "1"}}]
      # The replica went away in the middle: the model may have seen the request.
      - filter: {response_flag_filter: {flags: [UC, UR, LR, UPE]}}
        status_code: 502
        body: {inline_string: "the replica went away before it answered\n"}
      - filter: {response_flag_filter: {flags: [UT]}}
        status_code: 504
        body: {inline_string: "scoring timeout\n"}
    rds:
      route_config_name: scoring
      config_source:
        resource_api_version: V3
        path_config_source: {path: /etc/aml/router/rds.yaml, watched_directory: {path: /etc/aml/router}}
    # What goes over a WebSocket has no end, so no size either.
    upgrade_configs:
    - upgrade_type: websocket
      filters:
      {{- include "inference.envoy.auth" . | nindent 6 }}
    http_filters:
    - name: body_limit
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit
        max_request_bytes: {{ int64 .Values.router.maxRequestBytes }}
    {{- include "inference.envoy.auth" . | nindent 4 }}
{{- end }}

{{/* The last two filters: who is let in, and where a request goes. */}}
{{- define "inference.envoy.auth" -}}
# The auth slot: a file of a Secret. New keys need no new listener, so no connection is lost.
- name: auth
  config_discovery:
    config_source:
      resource_api_version: V3
      path_config_source: {path: /etc/aml/auth/ecds.yaml, watched_directory: {path: /etc/aml/auth}}
    type_urls:
    - type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    - type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    - type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config
- name: router
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
    suppress_envoy_headers: true
{{- end }}

{{/*
Seconds that a router at least goes on after it was told to end. It takes new connections all that time, because they
come until its address has left the EndpointSlice (1 s), every node's kube-proxy has heard of it and written its rules
(1 s is the least time between two of its rounds; large clusters are told to make it more), and so has what stands before
the Service. Each answer says "Connection: close", so that kept connections end by themselves; a caller who sends nothing
in that time finds the connection closed.
*/}}
{{- define "inference.drainMinSeconds" -}}
12
{{- end }}

{{/*
Seconds that a router then waits for requests that are under way. In steps, so that a version with another time-out
seldom changes the routers' pods.
*/}}
{{- define "inference.drainMaxSeconds" -}}
{{- $seconds := include "inference.longestTimeoutMs" . | include "inference.seconds" | int -}}
{{- if le $seconds 120 }}120{{ else if le $seconds 600 }}600{{ else }}7200{{ end -}}
{{- end }}

{{/*
The clusters. Each version has one for pins and metrics; each but the default has a second one, V_or_default, whose
requests go to the default version while V has no ready replica. A version that gets copies has V_mirror for them.
*/}}
{{- define "inference.envoy.cds" -}}
resources:
{{- if not .Values.versions }} []{{ end }}
{{- range $name, $version := include "inference.versions" . | fromJson }}
{{ include "inference.envoy.cluster" (dict "root" $ "version" $name "cluster" $name "protocol" $version.protocol "breaker" (include "inference.envoy.unbroken" $)) }}
{{- if ne $name $.Values.defaultVersion }}
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: {{ $name }}_or_default
  connect_timeout: 1s
  lb_policy: CLUSTER_PROVIDED
  cluster_type:
    name: envoy.clusters.aggregate
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig
      clusters: [{{ $name }}, {{ $.Values.defaultVersion }}]
  {{- include "inference.envoy.unbroken" $ | nindent 2 }}
  {{- include "inference.envoy.speak" $version.protocol | nindent 2 }}
{{- end }}
{{- if gt $version.mirror 0.0 }}
{{ include "inference.envoy.cluster" (dict "root" $ "version" $name "cluster" (printf "%s_mirror" $name) "protocol" $version.protocol "breaker" (include "inference.envoy.mirrorBounds" $)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Requests are never refused by the router: how many wait, and how long, is the limiters' to say. */}}
{{- define "inference.envoy.unbroken" -}}
circuit_breakers:
  thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, max_retries: 1000}]
{{- end }}

{{/*
Copies are dropped beyond 64 at a time, so that a version that hangs costs a router no more than 64 × 1 MB. The buffer
holds that many: a copy that waits for its version to read never holds up the caller's own body.
*/}}
{{- define "inference.envoy.mirrorBounds" -}}
circuit_breakers:
  thresholds: [{max_connections: 64, max_pending_requests: 64, max_requests: 64, max_retries: 0}]
per_connection_buffer_limit_bytes: 67108864
{{- end }}

{{/*
What replicas speak, and which of their answers are failures of a replica. Of a request that chose V_or_default Envoy
asks that cluster what a failure is, not V: it would take each 5xx for one. Call with "http" or "h2c".
*/}}
{{- define "inference.envoy.speak" -}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    {{- if eq . "h2c" }}
    # A call has a connection of its own: what a limiter leaves unread of a large message that it refuses would count
    # against the window of all others on the same one, until none goes on (seen with HAProxy 2.6).
    common_http_protocol_options: {idle_timeout: 50s, max_requests_per_connection: 1}
    explicit_http_config: {http2_protocol_options: {}}
    {{- else }}
    common_http_protocol_options: {idle_timeout: 50s}
    explicit_http_config: {http_protocol_options: {}}
    {{- end }}
    outlier_detection:
      error_matcher: {http_response_headers_match: {headers: [{name: x-aml-limiter, string_match: {exact: down}}]}}
{{- end }}

{{/*
The replicas of one version. Call with (dict "root" $ "version" NAME "cluster" NAME "protocol" "http|h2c" "breaker" YAML).
*/}}
{{- define "inference.envoy.cluster" -}}
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: {{ .cluster }}
  connect_timeout: 1s
  cluster_type:
    name: envoy.cluster.dns
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
      dns_refresh_rate: 1s
      dns_failure_refresh_rate: {base_interval: 1s, max_interval: 2s}
      respect_dns_ttl: false
      dns_lookup_family: V4_PREFERRED
      typed_dns_resolver_config:
        name: envoy.network.dns_resolver.cares
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
          dns_resolver_options: {no_default_search_domain: true}
  # Looking at every replica and counting what waits queues as well as one queue for all would.
  load_balancing_policy:
    policies:
    - typed_extension_config:
        name: least_request
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest
          selection_method: FULL_SCAN
  # A replica that refuses connections, or whose limiter says that the scoring server is down, looks idle: skip it. What
  # the model answers ejects nobody. Envoy takes a connection that is closed in the middle, as at the end of a WebSocket,
  # for one that was refused; but a request that gets a connection ends the row, so two in a row are not enough.
  common_lb_config: {update_merge_window: 0s, healthy_panic_threshold: {value: 1}}
  outlier_detection:
    split_external_local_origin_errors: true
    consecutive_local_origin_failure: 3
    enforcing_consecutive_local_origin_failure: 100
    enforcing_local_origin_success_rate: 0
    consecutive_5xx: 1
    enforcing_consecutive_5xx: 100
    enforcing_consecutive_gateway_failure: 0
    enforcing_success_rate: 0
    interval: 1s
    base_ejection_time: 5s
    max_ejection_time: 30s
    max_ejection_percent: 100
  {{- .breaker | nindent 2 }}
  {{- include "inference.envoy.speak" .protocol | nindent 2 }}
  load_assignment:
    cluster_name: {{ .cluster }}
    # One ready replica is enough to keep the version's share from the default version.
    policy: {overprovisioning_factor: 10000}
    endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: {{ include "inference.versionName" (dict "root" .root "version" .version) }}.{{ .root.Release.Namespace }}.svc.cluster.local, port_value: 9001}}}}]}]
{{- end }}
