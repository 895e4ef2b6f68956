{{/*
The shop's services. What stands here is true of the programs and can't be configured:
whom each one calls, and whether it keeps a database and tells events.
*/}}
{{- define "bookstore.services" -}}
identity: {keeps: true, calls: []}
inventory: {keeps: true, calls: [identity]}
order: {keeps: true, calls: [identity, inventory]}
payment: {keeps: true, calls: [identity]}
notification: {keeps: true, calls: [identity]}
gateway: {keeps: false, calls: [identity, inventory, order, payment, notification]}
{{- end -}}

{{/* Who calls a service, as JSON: (dict "name" "order"). */}}
{{- define "bookstore.callers" -}}
{{- $callers := list -}}
{{- range $caller, $service := include "bookstore.services" . | fromYaml -}}
{{- if has $.name $service.calls -}}{{- $callers = append $callers $caller -}}{{- end -}}
{{- end -}}
{{ $callers | toJson }}
{{- end -}}

{{/* What is configured for a service: its own values over those of all, as YAML. */}}
{{- define "bookstore.settings" -}}
{{ mustMergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (index .root.Values .name)) | toYaml }}
{{- end -}}

{{/* Where a caller finds a service. */}}
{{- define "bookstore.target" -}}
{{- if eq .root.Values.discovery "kubernetes" -}}
k8s:///{{ .name }}:grpc
{{- else -}}
dns:///{{ .name }}-headless:50051
{{- end -}}
{{- end -}}

{{/* The Secret with a service's database URL, and the key in it. */}}
{{- define "bookstore.databaseSecret" -}}
{{- $database := (index .root.Values .name).database -}}
name: {{ $database.existingSecret | default (printf "%s-database" .name) }}
key: {{ $database.existingSecretKey }}
{{- end -}}

{{/* The Secret with a service's broker URL, and the key in it. */}}
{{- define "bookstore.brokerSecret" -}}
{{- $broker := (index .root.Values .name).broker -}}
name: {{ $broker.existingSecret | default (printf "%s-broker" .name) }}
key: {{ $broker.existingSecretKey }}
{{- end -}}

{{/* Where traces go; nothing if nowhere. */}}
{{- define "bookstore.otlpEndpoint" -}}
{{- if .Values.telemetry.otlpEndpoint -}}
{{ .Values.telemetry.otlpEndpoint }}
{{- else if .Values.jaeger.enabled -}}
http://jaeger:4317
{{- end -}}
{{- end -}}
