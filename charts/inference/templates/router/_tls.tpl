{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* The port of the Service: with TLS that of https in place of that of http. */}}
{{- define "inference.port" -}}
{{- $port := int .Values.router.service.port -}}
{{- and .Values.tls.existingSecret (eq $port 80) | empty | ternary $port 443 -}}
{{- end }}

{{/* What a chain of filters needs to speak TLS. A caller who does not finish the handshake is left. */}}
{{- define "inference.envoy.tls" -}}
transport_socket_connect_timeout: 10s
transport_socket:
  name: tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}
      alpn_protocols: [h2, http/1.1]
      tls_certificate_sds_secret_configs:
      - name: certificate
        sds_config:
          resource_api_version: V3
          path_config_source: {path: /etc/aml/router/sds.yaml, watched_directory: {path: /etc/aml/router}}
{{- end }}

{{/*
The certificate: two files of a Secret. Envoy reads them again when the folder changes, and keeps those it has when the
new ones are no pair. Without a pair that is good it closes every connection.
*/}}
{{- define "inference.envoy.sds" -}}
resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: certificate
  tls_certificate:
    certificate_chain: {filename: /etc/aml/tls/tls.crt}
    private_key: {filename: /etc/aml/tls/tls.key}
    watched_directory: {path: /etc/aml/tls}
{{- end }}

{{/*
Port 8080 of an endpoint with TLS. Who comes through the API server, by a port forwarded to the pod, meets what callers
meet: such connections are the only ones to 127.0.0.1. All others are told whether the router lives and what it runs.
*/}}
{{- define "inference.envoy.inside" -}}
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: inside
  address: {socket_address: {address: 0.0.0.0, port_value: 8080}}
  per_connection_buffer_limit_bytes: 1048576
  filter_chains:
  - filter_chain_match: {prefix_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}
    filters:
    {{- include "inference.envoy.scoring" . | nindent 4 }}
  - filters:
    - name: hcm
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: inside
        request_headers_timeout: 10s
        request_timeout: 10s
        normalize_path: true
        merge_slashes: true
        local_reply_config:
          mappers:
          - filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 403, runtime_key: unused}}}}
            status_code: 403
            body: {inline_string: "this endpoint speaks https only\n"}
        rds:
          route_config_name: scoring
          config_source:
            resource_api_version: V3
            path_config_source: {path: /etc/aml/router/rds.yaml, watched_directory: {path: /etc/aml/router}}
        http_filters:
        - name: inside
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
            rules:
              action: ALLOW
              policies:
                state:
                  permissions:
                  - url_path: {path: {exact: /-/config}}
                  - url_path: {path: {exact: /healthz}}
                  principals: [{any: true}]
        {{- include "inference.envoy.auth" . | nindent 8 }}
{{- end }}
