{{- define "switchboard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "switchboard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "switchboard.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "switchboard.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "switchboard.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "switchboard.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end -}}

{{/* The service that a role is part of. */}}
{{- define "switchboard.service" -}}
{{- if hasPrefix "messaging" . -}}messaging{{- else if hasPrefix "webhooks" . -}}webhooks{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* What `serve` is told for a role. */}}
{{- define "switchboard.args" -}}
{{- if eq . "messaging" -}}
["serve", "messaging", "--roles", "api", "--config", "/etc/switchboard/config.toml"]
{{- else if eq . "messaging-workers" -}}
["serve", "messaging", "--roles", "workers", "--config", "/etc/switchboard/config.toml"]
{{- else -}}
["serve", {{ . | quote }}, "--config", "/etc/switchboard/config.toml"]
{{- end -}}
{{- end -}}

{{- define "switchboard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "switchboard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{/* One variable from one key of a Secret. */}}
{{- define "switchboard.secretKey" -}}
- name: SWITCHBOARD__{{ .name }}
  valueFrom:
    secretKeyRef: { name: {{ .secret | quote }}, key: {{ .key | quote }}{{ if .optional }}, optional: true{{ end }} }
{{- end -}}

{{/* The password of a service's database roles, under the name that pods and migration share. */}}
{{- define "switchboard.databasePassword" -}}
{{- $database := .root.Values.database -}}
{{- include "switchboard.secretKey" (dict
  "name" (printf "SERVICES__%s__DATABASE_PASSWORD" (upper .service))
  "secret" $database.existingSecret
  "key" (ternary (printf "password-%s" .service) "password" $database.perService)) -}}
{{- end -}}

{{/* Which services use a key; nobody else is given it. The binary asks for the same, and a lint holds the manifests to it. */}}
{{- define "switchboard.usersOf" -}}
kek: [identity, onboarding]
page: [identity, onboarding, assets, messaging, webhooks]
pepper: [identity]
metaSecret: [onboarding, assets, messaging, webhooks]
{{- end -}}

{{/* Secrets as environment: names of settings, values by reference. */}}
{{- define "switchboard.secretEnv" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $values := $root.Values -}}
{{- $users := include "switchboard.usersOf" $root | fromYaml -}}
{{ include "switchboard.secretKey" (dict
  "name" (printf "SERVICES__%s__KEY" (upper $service))
  "secret" (printf $values.serviceKeySecret $service)
  "key" "service.key") }}
{{- if ne $service "gateway" }}
{{ include "switchboard.databasePassword" . }}
{{ include "switchboard.secretKey" (dict
  "name" (printf "SERVICES__%s__BROKER_URL" (upper $service))
  "secret" $values.broker.existingSecret
  "key" (ternary (printf "url-%s" $service) "url" $values.broker.perService)) }}
{{- end }}
{{- range $name := list "kek" "page" "pepper" }}
{{- if has $service (get $users $name) }}
{{- $key := ternary (printf "%s-%s" $name $service) $name (and $values.keys.perService (ne $name "pepper")) }}
{{ include "switchboard.secretKey" (dict
  "name" (printf "KEYS__%s" (upper $name)) "secret" $values.keys.existingSecret "key" $key) }}
{{ include "switchboard.secretKey" (dict
  "name" (printf "KEYS__PREVIOUS_%s" (upper $name)) "secret" $values.keys.existingSecret
  "key" (printf "previous-%s" $key) "optional" true) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* How many proxies tell the client's address: as many as were set, else the chart's own ingress where it is on. */}}
{{- define "switchboard.trustedHops" -}}
{{- if not (kindIs "invalid" .Values.trustedHops) }}
trusted_hops = {{ .Values.trustedHops }}
{{- else if .Values.ingress.enabled }}
trusted_hops = 1
{{- end }}
{{- end -}}

{{/* The configuration file that every role reads. */}}
{{- define "switchboard.config" -}}
{{- $full := include "switchboard.fullname" . -}}
[telemetry]
log = {{ .Values.telemetry.log | quote }}
format = "json"
{{- with .Values.telemetry.otlpEndpoint }}
otlp_endpoint = {{ . | quote }}
{{- end }}
trace_ratio = {{ printf "%.3f" (float64 .Values.telemetry.traceRatio) }}

[tokens]
issuer = {{ .Values.publicUrl | quote }}

[database]
url = {{ .Values.database.url | quote }}
role_prefix = {{ .Values.database.rolePrefix | quote }}
scoped_pool = {{ .Values.database.pools.scoped }}
system_pool = {{ .Values.database.pools.system }}
desk_pool = {{ .Values.database.pools.desk }}

[bus]
namespace = {{ .Values.broker.namespace | quote }}
accounts = {{ .Values.broker.accounts | quote }}

[gateway]
listen = "0.0.0.0:8080"

[gateway.edge]
public_url = {{ .Values.publicUrl | quote }}
{{- include "switchboard.trustedHops" . }}

[webhooks_in]
listen = "0.0.0.0:8081"
{{- include "switchboard.trustedHops" . }}

[admin]
listen = "0.0.0.0:9090"
{{- range $service := list "identity" "onboarding" "assets" "messaging" "webhooks" "analytics" }}

[services.{{ $service }}]
listen = "0.0.0.0:50051"
endpoint = "http://{{ $full }}-{{ $service }}:50051"
{{- end }}
{{- with .Values.servicePublicKeys }}

[identity.service_keys]
{{- range $service, $keys := . }}
{{ $service }} = {{ toJson $keys }}
{{- end }}
{{- end }}
{{- with .Values.extraConfig }}

{{ . }}
{{- end }}
{{- end -}}
