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
{{- with .Values.nats.credentials }}
{{- if .secretName }}
- name: BUILDKIT_SCALER_NATS_{{ upper .kind }}
  value: /tls/nats-credentials/{{ .kind }}
{{- end }}
{{- end }}
{{- with .Values.nats.tls }}
{{- if .secretName }}
- name: BUILDKIT_SCALER_NATS_TLS_CA
  value: /tls/nats/ca.crt
{{- if .clientAuth }}
- name: BUILDKIT_SCALER_NATS_TLS_CERT
  value: /tls/nats/tls.crt
- name: BUILDKIT_SCALER_NATS_TLS_KEY
  value: /tls/nats/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "buildkit-scaler.standalone" -}}
{{- if eq .Values.mode "standalone" }}true{{ end -}}
{{- end -}}

{{- /* Whether the proxies, or scalers, use NATS. */ -}}
{{- define "buildkit-scaler.withNats" -}}
{{- if or (not (include "buildkit-scaler.standalone" .)) .Values.nats.url .Values.nats.existingSecret.name }}true{{ end -}}
{{- end -}}

{{- define "buildkit-scaler.ownNats" -}}
{{- if not (or (include "buildkit-scaler.standalone" .) .Values.nats.url .Values.nats.existingSecret.name) }}true{{ end -}}
{{- end -}}

{{- /* Health of a process with our admin server: live while it answers, ready while NATS is there. */ -}}
{{- define "buildkit-scaler.probes" -}}
# A crowded node can take minutes to load the program, and ending it would make it begin again.
startupProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 300
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

{{- /* How clients speak. YAML reads an unquoted `off` as false. */ -}}
{{- define "buildkit-scaler.tlsMode" -}}
{{ .Values.proxy.tls.mode | default "off" }}
{{- end -}}

{{- /* The name that clients of the proxy know it by, if they are not told another. */ -}}
{{- define "buildkit-scaler.proxyHost" -}}
{{ include "buildkit-scaler.fullname" . }}-proxy.{{ .Release.Namespace }}
{{- end -}}

{{- /*
A volume of a Secret's TLS files, called cert-manager's way whatever they are called in the Secret. Mounted as a whole, so
that the kubelet swaps all of them at once when the Secret changes. Takes (list volume secret keys parts).
*/ -}}
{{- define "buildkit-scaler.tlsVolume" -}}
{{- $keys := index . 2 -}}
{{- $files := dict "cert" "tls.crt" "key" "tls.key" "ca" "ca.crt" -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ index . 1 }}
    items:
      {{- range index . 3 }}
      - { key: {{ get $keys . }}, path: {{ get $files . }} }
      {{- end }}
{{- end -}}

{{- /* The proxy's TLS files: /tls/NAME of each volume here. */ -}}
{{- define "buildkit-scaler.proxyTlsVolumes" -}}
{{- $tls := .Values.proxy.tls -}}
{{- if eq (include "buildkit-scaler.tlsMode" .) "terminate" }}
{{- $clientCa := ternary "" (default $tls.secretName $tls.clientCaSecretName) (eq $tls.clientAuth "none") }}
{{ include "buildkit-scaler.tlsVolume" (list "server" $tls.secretName $tls.keys (list "cert" "key")) }}
{{- if $clientCa }}
{{ include "buildkit-scaler.tlsVolume" (list "client-ca" $clientCa $tls.keys (list "ca")) }}
{{- end }}
{{- end }}
{{ include "buildkit-scaler.daemonTlsVolume" . }}
{{- if include "buildkit-scaler.withNats" . }}
{{ include "buildkit-scaler.natsVolumes" . }}
{{- end }}
{{- end -}}

{{- /* What proxies and scalers get into NATS with, in /tls/NAME. */ -}}
{{- define "buildkit-scaler.natsVolumes" -}}
{{- with .Values.nats.tls }}
{{- if .secretName }}
{{ include "buildkit-scaler.tlsVolume" (list "nats" .secretName .keys (ternary (list "cert" "key" "ca") (list "ca") .clientAuth)) }}
{{- end }}
{{- end }}
{{- with .Values.nats.credentials }}
{{- if .secretName }}
- name: nats-credentials
  secret:
    secretName: {{ .secretName }}
    items:
      - { key: {{ .key }}, path: {{ .kind }} }
{{- end }}
{{- end }}
{{- end -}}

{{- /* The scaler's TLS files, likewise. */ -}}
{{- define "buildkit-scaler.scalerTlsVolumes" -}}
{{- $tls := .Values.scaler.tls -}}
{{- if $tls.secretName }}
{{ include "buildkit-scaler.tlsVolume" (list "server" $tls.secretName $tls.keys (list "cert" "key")) }}
{{- if $tls.client.secretName }}
{{ include "buildkit-scaler.tlsVolume" (list "client-ca" $tls.client.secretName $tls.client.keys (list "ca")) }}
{{- end }}
{{- end }}
{{ include "buildkit-scaler.daemonTlsVolume" . }}
{{ include "buildkit-scaler.natsVolumes" . }}
{{- end -}}

{{- /* For whoever speaks TLS with the daemons: proxies, and scalers that ask them whether they build. */ -}}
{{- define "buildkit-scaler.daemonTlsVolume" -}}
{{- with .Values.daemons.tls.client }}
{{- if .secretName }}
{{ include "buildkit-scaler.tlsVolume" (list "daemons" .secretName .keys (list "cert" "key" "ca")) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "buildkit-scaler.daemonTlsArgs" -}}
{{- with .Values.daemons.tls }}
{{- if .client.secretName }}
- --daemon-tls-ca=/tls/daemons/ca.crt
- --daemon-tls-cert=/tls/daemons/tls.crt
- --daemon-tls-key=/tls/daemons/tls.key
- --daemon-tls-server-name={{ .serverName | default (printf "%s-daemons.%s.svc" (include "buildkit-scaler.fullname" $) $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the scaler may do in its namespace. */ -}}
{{- define "buildkit-scaler.scalerRules" -}}
{{- if .Values.scaler.expectProxies }}
# Which proxies there are. Kubernetes cannot narrow a list or a watch to those of one Service.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
{{- if .Values.scaler.podDeletionCost }}
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end }}
{{- if .Values.scaler.burstAssist }}
# How many daemons KEDA allows, and setting their number.
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  resourceNames: [{{ include "buildkit-scaler.fullname" . }}-daemons]
  verbs: [get]
- apiGroups: [apps]
  resources: [{{ lower .Values.daemons.kind }}s/scale]
  resourceNames: [{{ include "buildkit-scaler.fullname" . }}-daemons]
  verbs: [get, patch]
{{- end }}
{{- end -}}
