{{- define "buildkit-scaler.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- /* 40: "-daemons-", an ordinal and the hash of a StatefulSet's revision must fit into a label of 63 */ -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Never change: a workload's selector is immutable. Takes (list $ component). */ -}}
{{- define "buildkit-scaler.selectorLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ default $.Chart.Name $.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "buildkit-scaler.labels" -}}
{{- $ := index . 0 -}}
{{ include "buildkit-scaler.selectorLabels" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- /* Name, namespace and labels of an object. Takes (list $ component). */ -}}
{{- define "buildkit-scaler.metadata" -}}
{{- $ := index . 0 -}}
name: {{ include "buildkit-scaler.fullname" $ }}-{{ index . 1 }}
namespace: {{ $.Release.Namespace }}
labels:
  {{- include "buildkit-scaler.labels" . | nindent 2 }}
{{- end -}}

{{- define "buildkit-scaler.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- /* Where pods may run and how important they are. Takes a part's values. */ -}}
{{- define "buildkit-scaler.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- with get $ $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the restricted Pod Security Standard asks for, and a read-only root. */ -}}
{{- define "buildkit-scaler.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "buildkit-scaler.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* In the environment, as the URL may hold credentials. */ -}}
{{- define "buildkit-scaler.natsEnv" -}}
- name: BUILDKIT_SCALER_NATS
  {{- with .Values.nats.existingSecret }}
  {{- if .name }}
  valueFrom:
    secretKeyRef: {{ toJson . }}
  {{- else }}
  value: {{ $.Values.nats.url | default (printf "nats://%s-nats.%s:4222" (include "buildkit-scaler.fullname" $) $.Release.Namespace) }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "buildkit-scaler.ownNats" -}}
{{- if not (or .Values.nats.url .Values.nats.existingSecret.name) }}true{{ end -}}
{{- end -}}

{{- /* Health of a process with our admin server: live while it answers, ready while NATS is there. */ -}}
{{- define "buildkit-scaler.probes" -}}
livenessProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  # A minute: a proxy that is only slow carries builds.
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}
