{{- define "llmhub.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "llmhub.fullname" -}}
{{- $name := include "llmhub.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "llmhub.selector" -}}
app.kubernetes.io/name: {{ include "llmhub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "llmhub.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "llmhub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "llmhub.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "llmhub.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "llmhub.secret" -}}
{{ .Values.existingSecret | default (include "llmhub.fullname" .) }}
{{- end -}}

{{- define "llmhub.image" -}}
{{- $repository := required "image.repository is required: where the image of deploy/Containerfile was pushed, such as registry.example.com/llmhub" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* The configuration file: what the values say, and what the chart decides. */}}
{{- define "llmhub.config" -}}
{{- range list "listen" "data" "admin" "shutdown" "store" -}}
{{- if hasKey $.Values.config . -}}
{{- fail (printf "config.%s is written by the chart; see the values store, secrets and shutdown" .) -}}
{{- end -}}
{{- end -}}
{{- range list "upstreams" "models" -}}
{{- if not (index $.Values.config .) -}}
{{- fail (printf "config.%s is empty: llmhub needs at least one model server and one model" .) -}}
{{- end -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "listen" ":8080" -}}
{{- $_ := set $config "admin" (dict "token" (dict "env" "LLMHUB_ADMIN_TOKEN")) -}}
{{- $_ := set $config "shutdown" (dict "grace" (printf "%ds" (int .Values.shutdown.graceSeconds))) -}}
{{- if eq .Values.store.engine "postgres" -}}
{{- $postgres := deepCopy .Values.postgres.settings -}}
{{- range list "url" "keys" -}}
{{- if hasKey $postgres . -}}
{{- fail (printf "postgres.settings.%s is written by the chart; see the values secrets and postgres.existingSecret" .) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $postgres "url" (dict "env" "LLMHUB_DATABASE_URL") -}}
{{- $_ := set $postgres "keys" (dict "pepper" (dict "env" "LLMHUB_PEPPER") "responses" (dict "env" "LLMHUB_RESPONSES") "seal" (dict "env" "LLMHUB_SEAL")) -}}
{{- $_ := set $config "store" (dict "postgres" $postgres) -}}
{{- else -}}
{{- $_ := set $config "data" "/var/lib/llmhub/data" -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}

{{/* Where secrets come from is settled before anything is installed. */}}
{{- define "llmhub.checkSecrets" -}}
{{- if and .Values.existingSecret .Values.secrets -}}
{{- fail "existingSecret and secrets are both set: use one of them" -}}
{{- end -}}
{{- if not .Values.existingSecret -}}
{{- if not (get .Values.secrets "LLMHUB_ADMIN_TOKEN") -}}
{{- fail "secrets.LLMHUB_ADMIN_TOKEN is required, or existingSecret, the name of a Secret that has it" -}}
{{- end -}}
{{- if eq .Values.store.engine "postgres" -}}
{{- if not (or .Values.postgres.existingSecret (get .Values.secrets "LLMHUB_DATABASE_URL")) -}}
{{- fail "secrets.LLMHUB_DATABASE_URL is required with store.engine postgres, or postgres.existingSecret, the name of a Secret that has it" -}}
{{- end -}}
{{- range list "LLMHUB_PEPPER" "LLMHUB_RESPONSES" "LLMHUB_SEAL" -}}
{{- if not (get $.Values.secrets .) -}}
{{- fail (printf "secrets.%s is required with store.engine postgres: 32 bytes in base64, as openssl rand -base64 32 prints them" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports of model servers, one a line: those of their addresses and those of the values. */}}
{{- define "llmhub.upstreamPorts" -}}
{{- $ports := list -}}
{{- range .Values.config.upstreams -}}
{{- $ports = append $ports (include "llmhub.urlPort" .base_url) -}}
{{- end -}}
{{- range .Values.networkPolicy.egress.upstreams.ports -}}
{{- $ports = append $ports (toString (int .)) -}}
{{- end -}}
{{ uniq $ports | sortAlpha | join " " }}
{{- end -}}

{{- define "llmhub.servicePorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egress.services.ports -}}
{{- $ports = append $ports (toString (int .)) -}}
{{- end -}}
{{- with .Values.config.iam -}}
{{- $ports = append $ports (include "llmhub.urlPort" .url) -}}
{{- end -}}
{{- with .Values.config.cce -}}
{{- if eq (toString .access) "certificate" -}}
{{- $ports = append $ports "5443" -}}
{{- end -}}
{{- end -}}
{{ uniq $ports | sortAlpha | join " " }}
{{- end -}}

{{/* The port of an http or https address. */}}
{{- define "llmhub.urlPort" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "http" | ternary "80" "443") -}}
{{- end -}}

{{/* The pod, the same for both engines but for the volume. */}}
{{- define "llmhub.pod" -}}
metadata:
  # Without versions: another version of the chart alone does not replace the pods.
  labels:
    {{- include "llmhub.selector" . | nindent 4 }}
    {{- with merge (deepCopy .Values.podLabels) .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- if not .Values.existingSecret }}
    checksum/secret: {{ include (print $.Template.BasePath "/secret.yaml") . | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "llmhub.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ add (int .Values.shutdown.preStopSeconds) (int .Values.shutdown.graceSeconds) 25 }}
  containers:
    - name: llmhub
      image: {{ include "llmhub.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/llmhub/llmhub.yaml]
      ports:
        - {name: http, containerPort: 8080, protocol: TCP}
      envFrom:
        - secretRef: {name: {{ include "llmhub.secret" . | quote }}}
        {{- with .Values.extraEnvFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $ownURL := and (eq .Values.store.engine "postgres") .Values.postgres.existingSecret }}
      {{- if or $ownURL .Values.extraEnv }}
      env:
        {{- if $ownURL }}
        - name: LLMHUB_DATABASE_URL
          valueFrom:
            secretKeyRef: {name: {{ .Values.postgres.existingSecret | quote }}, key: {{ .Values.postgres.key | quote }}}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      # It answers once the usage log has been read and all keys are known.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        {{- toYaml .Values.startupProbe | nindent 8 }}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      {{- if and (gt (int .Values.shutdown.preStopSeconds) 0) (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ int .Values.shutdown.preStopSeconds }}}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/llmhub, readOnly: true}
        {{- if eq .Values.store.engine "local" }}
        - {name: data, mountPath: /var/lib/llmhub}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "llmhub.fullname" . | quote }}}
    - name: tmp
      emptyDir: {}
    {{- if eq .Values.store.engine "local" }}
    {{- if not .Values.persistence.enabled }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | quote }}}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .Values.store.engine "postgres" }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "llmhub.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}
