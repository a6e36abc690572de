{{- define "cgtune.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "cgtune.labels" -}}
app.kubernetes.io/name: cgtune
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "cgtune.selector" -}}
app.kubernetes.io/name: cgtune
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node-agent
{{- end }}

{{- /* What node agent and sidecar have in common: everything of the container but its name, its rights and its folders. */ -}}
{{- define "cgtune.container" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve]
env:
  {{- with .root }}
  - {name: CGTUNE_ROOT, value: {{ . }}}
  {{- end }}
  - {name: CGTUNE_LISTEN, value: {{ printf ":%d" (int .Values.serve.port) | quote }}}
  - {name: CGTUNE_INTERVAL, value: {{ .Values.serve.interval | quote }}}
  - {name: CGTUNE_LOG_FORMAT, value: {{ .Values.serve.logFormat | quote }}}
  - {name: CGTUNE_FAIL_ON, value: {{ .Values.serve.failOn | quote }}}
  {{- with .Values.serve.ignore }}
  - {name: CGTUNE_IGNORE, value: {{ join " " . | quote }}}
  {{- end }}
  {{- with .Values.serve.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - {name: cgtune-metrics, containerPort: {{ .Values.serve.port }}}
livenessProbe:
  httpGet: {path: /healthz, port: cgtune-metrics}
  periodSeconds: 20
  timeoutSeconds: 3
{{- end }}

{{- define "cgtune.confined" -}}
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /*
The sidecar, an entry of initContainers: a container that starts before the program and ends after it. The pod needs
shareProcessNamespace: true beside it, and the label cgtune-sidecar: "true" to be scraped. From a chart with this one as a dependency:
  initContainers:
    {{- include "cgtune.sidecar" .Subcharts.cgtune | nindent 8 }}
It has no startup probe, so that nothing waits for it, and no readiness probe, because that would count for the whole pod.
*/ -}}
{{- define "cgtune.sidecar" -}}
- name: cgtune
  restartPolicy: Always
  {{- include "cgtune.container" . | nindent 2 }}
  resources:
    {{- toYaml .Values.sidecar.resources | nindent 4 }}
  securityContext:
    {{- include "cgtune.confined" . | nindent 4 }}
    {{- if .Values.sidecar.anyUser }}
    runAsUser: 0
    runAsGroup: 0
    runAsNonRoot: false
    capabilities: {drop: [ALL], add: [SYS_PTRACE, DAC_READ_SEARCH]}
    {{- else }}
    {{- $hasUser := not (kindIs "invalid" .Values.sidecar.runAsUser) }}
    {{- if $hasUser }}
    runAsUser: {{ int64 .Values.sidecar.runAsUser }}
    {{- end }}
    {{- if not (kindIs "invalid" .Values.sidecar.runAsGroup) }}
    runAsGroup: {{ int64 .Values.sidecar.runAsGroup }}
    {{- end }}
    {{- if or .Values.sidecar.runAsUser (not $hasUser) }}
    runAsNonRoot: true
    {{- end }}
    capabilities: {drop: [ALL]}
    {{- end }}
{{- end }}
