{{/* The pods of one component of this release, as a peer: (dict "root" $ "name" "order"). */}}
{{- define "bookstore.peer" -}}
podSelector:
  matchLabels: {{- include "bookstore.selector" . | nindent 4 }}
{{- end -}}

{{/* Egress that every component needs which looks up names. */}}
{{- define "bookstore.dnsEgress" -}}
- to: {{- toYaml .Values.networkPolicy.dns.to | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}

{{/* Egress to the API server. Which addresses it has depends on the cluster. */}}
{{- define "bookstore.apiServerEgress" -}}
- to: {{- toYaml .Values.networkPolicy.apiServer.to | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}

{{/* Egress to where the traces go. */}}
{{- define "bookstore.tracesEgress" -}}
{{- if .Values.telemetry.otlpEndpoint }}
{{- toYaml .Values.networkPolicy.external.telemetry }}
{{- else if .Values.jaeger.enabled }}
- to:
    - {{- include "bookstore.peer" (dict "root" . "name" "jaeger") | nindent 6 }}
  ports:
    - {protocol: TCP, port: 4317}
{{- end }}
{{- end -}}

{{/* Egress to the databases. */}}
{{- define "bookstore.databaseEgress" -}}
{{- if eq .Values.postgres.provider "bundled" }}
- to:
    - {{- include "bookstore.peer" (dict "root" . "name" "postgres") | nindent 6 }}
  ports:
    - {protocol: TCP, port: 5432}
{{- else if eq .Values.postgres.provider "cloudnativepg" }}
- to:
    - podSelector:
        matchLabels: {cnpg.io/cluster: postgres}
  ports:
    - {protocol: TCP, port: 5432}
{{- else }}
{{- toYaml .Values.networkPolicy.external.postgres }}
{{- end }}
{{- end -}}

{{/* Egress to the broker. */}}
{{- define "bookstore.brokerEgress" -}}
{{- if eq .Values.nats.provider "bundled" }}
- to:
    - {{- include "bookstore.peer" (dict "root" . "name" "nats") | nindent 6 }}
  ports:
    - {protocol: TCP, port: 4222}
{{- else }}
{{- toYaml .Values.networkPolicy.external.nats }}
{{- end }}
{{- end -}}
