{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* Labels of every object but pods, which a new version of the chart must not replace. Call with (dict "root" $ "component" "router|scoring|test" ["version" NAME]). */}}
{{- define "inference.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "inference.selector" . }}
{{- end }}

{{/* The labels that selectors use: none of them may ever change within a release. */}}
{{- define "inference.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .version }}
kubectl-aml/version: {{ . }}
{{- end }}
{{- end }}

{{/* Name of a version's objects: ENDPOINT-VERSION; what is longer than a label may be is cut and hashed. */}}
{{- define "inference.versionName" -}}
{{- $name := printf "%s-%s" .root.Release.Name .version -}}
{{- if gt (len $name) 63 -}}
{{- printf "%s-%s" (trunc 54 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end }}

{{/* Secret with the endpoint's keys. */}}
{{- define "inference.keys" -}}
{{- .Values.auth.existingSecret | default (printf "%s-keys" .Release.Name) -}}
{{- end }}

{{/* Number of routers. */}}
{{- define "inference.routers" -}}
{{- .Values.router.replicas | int | default (eq .Values.purpose "FastProd" | ternary 2 1) -}}
{{- end }}

{{/* Labels of pods. */}}
{{- define "inference.podLabels" -}}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "inference.selector" . }}
{{- end }}

{{/*
What the preStop hook of a router shows to /-/drain. It keeps passers-by in the cluster from making a router say
"Connection: close", no more: the names of the release are enough to know it.
*/}}
{{- define "inference.drainToken" -}}
{{- printf "%s/%s/drain" .Release.Namespace .Release.Name | sha256sum | trunc 32 -}}
{{- end }}

{{/* What Pod Security "restricted" wants of a pod. Call with the user's number. */}}
{{- define "inference.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What Pod Security "restricted" wants of a container, and a root file system that nobody can write. */}}
{{- define "inference.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What people say of an endpoint or a version, as annotations; empty when they say nothing. Call with its values. */}}
{{- define "inference.about" -}}
{{- with .description }}
kubectl-aml/description: {{ . | quote }}
{{- end }}
{{- with .models }}
kubectl-aml/models: {{ join " " . | quote }}
{{- end }}
{{- with .tags }}
kubectl-aml/tags: {{ toJson . | quote }}
{{- end }}
{{- with .properties }}
kubectl-aml/properties: {{ toJson . | quote }}
{{- end }}
{{- end }}

{{- define "inference.imagePullSecrets" -}}
{{- range .Values.imagePullSecrets }}
- name: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Replicas of one kind spread over the nodes where they can. Call with the selector's dict. */}}
{{- define "inference.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "inference.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
