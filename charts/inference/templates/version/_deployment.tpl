{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/* The Deployment of one version. Call with (dict "root" $ "name" NAME "version" VALUES). */}}
{{- define "inference.versionDeployment" -}}
{{- $labels := dict "root" .root "component" "scoring" "version" .name -}}
{{- $preStop := include "inference.preStopSeconds" .version | int -}}
{{- $scoring := include "inference.seconds" .version.scoringTimeoutMs | int -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "inference.versionName" $labels }}
  labels:
    {{- include "inference.labels" $labels | nindent 4 }}
  {{- with include "inference.about" .version | fromYaml }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not .version.autoscaling.enabled }}
  replicas: {{ int .version.replicas }}
  {{- end }}
  # init() may take its time, after 10 minutes for a node and an image.
  progressDeadlineSeconds: {{ add (int .version.probes.startupTimeoutSeconds) 600 }}
  selector:
    matchLabels:
      {{- include "inference.selector" $labels | nindent 6 }}
  # A replica is told to end only when another one is ready in its place, also where there is only one.
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        {{- include "inference.podLabels" $labels | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: scoring
        checksum/limiter: {{ .root.Files.Get "files/haproxy.cfg" | sha256sum | trunc 16 | quote }}
        {{- with .version.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with include "inference.imagePullSecrets" .root }}
      imagePullSecrets:
        {{- . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "inference.podSecurity" 10001 | nindent 8 }}
      # preStop: {{ $preStop }} s until no router sends more and the queue is empty. SIGTERM: {{ $scoring }} s for the
      # requests that are being scored. Then the limiter, which has nothing left to do, and 10 s to spare. The kubelet
      # counts all of it, preStop included.
      terminationGracePeriodSeconds: {{ add $preStop $scoring 10 }}
      {{- include "inference.spread" $labels | nindent 6 }}
      {{- with .version.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .version.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "inference.tolerations" .version }}
      {{- . | nindent 6 }}
      {{- end }}
      initContainers:
        {{- include "inference.limiterContainer" . | nindent 8 }}
      containers:
        {{- include "inference.scoringContainer" . | nindent 8 }}
      volumes:
        - name: limiter
          configMap:
            name: {{ .root.Release.Name }}-limiter
        - name: tmp
          emptyDir:
            sizeLimit: 4Gi
        {{- with .version.modelImage }}
        - name: models
          image:
            reference: {{ . | quote }}
            pullPolicy: {{ $.version.imagePullPolicy }}
        {{- end }}
{{- end }}

{{/* Taints that a version's pods bear: those of its accelerator and its own. */}}
{{- define "inference.tolerations" -}}
{{- $resource := include "inference.acceleratorResource" .accelerator -}}
{{- if or $resource .tolerations -}}
tolerations:
{{- if $resource }}
  # AKS' usual taint of GPU nodes, and the one that is named like the resource.
  - key: sku
    operator: Equal
    value: gpu
    effect: NoSchedule
  - key: {{ $resource }}
    operator: Exists
    effect: NoSchedule
{{- end }}
{{- with .tolerations }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}
{{- end }}
