{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Copyright The kubectl-aml Authors */}}

{{/*
The limiter: a native sidecar, so it is there before the scoring container and ends after it. Whether its image
asks for a soft stop (SIGUSR1) or not (SIGTERM) does not matter: when it is told to end, nothing is left to answer.
But it must hear it: as process 1 without a master (-W), HAProxy ignores SIGTERM and the pod hangs until it is killed.
*/}}
{{- define "inference.limiterContainer" -}}
- name: limiter
  image: {{ .root.Values.limiter.image | quote }}
  restartPolicy: Always
  command: [haproxy, -W, -db, -f, /etc/limiter/haproxy.cfg]
  env:
    - {name: LISTEN, value: "0.0.0.0:9001"}
    - {name: METRICS, value: "0.0.0.0:9002"}
    - {name: APP, value: "127.0.0.1:5001"}
    - {name: SPEAKS, value: {{ eq .version.protocol "h2c" | ternary "h2" "h1" }}}
    - {name: VERSION, value: {{ .name | quote }}}
    - {name: MAX_CONCURRENT_REQUESTS, value: {{ int64 .version.maxConcurrentRequests | quote }}}
    - {name: MAX_QUEUE_WAIT_MS, value: {{ int64 .version.maxQueueWaitMs | quote }}}
    - {name: SCORING_TIMEOUT_MS, value: {{ int64 .version.scoringTimeoutMs | quote }}}
  securityContext:
    {{- include "inference.containerSecurity" . | nindent 4 }}
  ports:
    - name: scoring
      containerPort: 9001
    - name: limiter-metrics
      containerPort: 9002
  livenessProbe:
    httpGet:
      path: /_limiter/alive
      port: 9001
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources:
    {{- toYaml .root.Values.limiter.resources | nindent 4 }}
  volumeMounts:
    - name: limiter
      mountPath: /etc/limiter
      readOnly: true
{{- end }}

{{/*
The scoring container. Its server listens on loopback: the limiter is the only way to it.

The server accepts connections while init() runs and while its only worker is busy, but answers nothing. So start-up
asks for an answer, through the limiter but outside the queue; readiness and liveness, once it has started, only ask
whether it still listens: a replica that is busy for a minute is neither unready nor dead.
*/}}
{{- define "inference.scoringContainer" -}}
{{- $probes := .version.probes -}}
{{- $scoring := include "inference.seconds" .version.scoringTimeoutMs | int -}}
- name: scoring
  image: {{ .version.image | quote }}
  imagePullPolicy: {{ .version.imagePullPolicy }}
  {{- if .version.command }}
  command:
    {{- toYaml .version.command | nindent 4 }}
  {{- else }}
  command:
    - python
    - -m
    - gunicorn
    - --bind=127.0.0.1:5001
    - --workers=$(WORKER_COUNT)
    - --timeout=$(WORKER_TIMEOUT)
    - --graceful-timeout={{ $scoring }}
    - --worker-tmp-dir=/dev/shm
    - --access-logfile=-
    - azureml_inference_server_http.server.entry:app
  {{- end }}
  workingDir: /var/azureml-app
  env:
    {{- include "inference.scoringEnv" . | nindent 4 }}
  securityContext:
    {{- include "inference.containerSecurity" . | nindent 4 }}
  # The limiter needs none: a sidecar is told to end after this container has ended.
  lifecycle:
    preStop:
      sleep:
        seconds: {{ include "inference.preStopSeconds" .version }}
  # Why a container ended is then told by its pod, too.
  terminationMessagePolicy: FallbackToLogsOnError
  startupProbe:
    httpGet:
      path: /_limiter/started
      port: 9001
    # The question waits with the server, for 5 s and then anew, and is answered the moment init() is over. So the period
    # only says how soon after the pod's start it is asked: the kubelet waits for a period first. A server of one's own may
    # refuse at once, and has to get all of its time too.
    periodSeconds: {{ empty .version.command | ternary 1 5 }}
    timeoutSeconds: 5
    failureThreshold: {{ div (add (int $probes.startupTimeoutSeconds) 4) 5 }}
  # A replica that cannot serve leaves DNS after up to 3 × 2 s and what DNS takes. Nothing is lost until then: its
  # limiter says that it is down, and the router tries another replica. One that is told to end leaves at once, whatever
  # this probe says.
  readinessProbe:
    httpGet:
      path: /_limiter/ready
      port: 9001
    periodSeconds: 2
    timeoutSeconds: 2
    failureThreshold: 3
  livenessProbe:
    httpGet:
      path: /_limiter/ready
      port: 9001
    {{- range $field := list "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "successThreshold" "failureThreshold" }}
    {{ $field }}: {{ get $probes.liveness $field | int }}
    {{- end }}
  resources:
    {{- include "inference.scoringResources" .version | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- if .version.modelImage }}
    - name: models
      mountPath: /var/azureml-app/azureml-models
      subPath: var/azureml-app/azureml-models
      readOnly: true
    {{- end }}
{{- end }}

{{/* Environment of the scoring container, as in Azure ML v1. WORKER_TIMEOUT bounds init() too, so it covers it. */}}
{{- define "inference.scoringEnv" -}}
{{- $timeout := max 300 (int .version.probes.startupTimeoutSeconds) (add 30 (include "inference.seconds" .version.scoringTimeoutMs | int)) -}}
- {name: AML_APP_ROOT, value: /var/azureml-app}
- {name: AZUREML_ENTRY_SCRIPT, value: {{ .version.entryScript | quote }}}
{{- with .version.sourceDirectory }}
- {name: AZUREML_SOURCE_DIRECTORY, value: {{ . | quote }}}
{{- end }}
{{- with .version.modelDir }}
- {name: AZUREML_MODEL_DIR, value: {{ . | quote }}}
{{- end }}
- {name: SCORING_TIMEOUT_MS, value: {{ int64 .version.scoringTimeoutMs | quote }}}
- {name: WORKER_COUNT, value: {{ int .version.workers | quote }}}
- {name: WORKER_TIMEOUT, value: {{ int64 $timeout | quote }}}
- {name: SERVICE_NAME, value: {{ .root.Release.Name | quote }}}
- {name: HOME, value: /tmp}
{{- /* Without the last one, the last words of a process that is killed are lost. */}}
{{- $usual := dict
  "WORKSPACE_NAME" .root.Release.Namespace
  "SERVICE_PATH_PREFIX" (printf "api/v1/service/%s" .root.Release.Name)
  "PYTHONUNBUFFERED" "1" }}
{{- range $name, $value := $usual }}
{{- if not (hasKey $.version.env $name) }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- range $name, $value := .version.env }}
- name: {{ $name | quote }}
  value: {{ $value | replace "$(" "$$(" | quote }}
{{- end }}
{{- end }}

{{/* Resources of the scoring container: what is asked for, the accelerator, and some disk for the logs and /tmp. */}}
{{- define "inference.scoringResources" -}}
{{- $resources := deepCopy .resources -}}
{{- $_ := set $resources "requests" (merge (dict "ephemeral-storage" "128Mi") ($resources.requests | default dict)) -}}
{{- with include "inference.acceleratorResource" .accelerator -}}
{{- $_ := set $resources.requests . (int $.accelerator.count) -}}
{{- $_ := set $resources "limits" (merge (dict . (int $.accelerator.count)) ($resources.limits | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}
