{{/* What a service is told: (dict "root" $ "name" "order" "service" … "settings" …). Secrets are files. */}}
{{- define "bookstore.environment" -}}
{{- $root := .root -}}
{{- $native := eq $root.Values.mesh.profile "native" -}}
- {name: BOOKSTORE_LISTEN, value: "0.0.0.0:{{ ternary 8080 50051 (eq .name "gateway") }}"}
- {name: BOOKSTORE_ADMIN_LISTEN, value: "0.0.0.0:51051"}
- {name: BOOKSTORE_LOG, value: {{ .settings.logLevel | quote }}}
- {name: BOOKSTORE_MESH, value: {{ $root.Values.mesh.profile | quote }}}
{{- if $native }}
- {name: BOOKSTORE_TLS_CERTIFICATE, value: /etc/bookstore/tls/tls.crt}
- {name: BOOKSTORE_TLS_KEY, value: /etc/bookstore/tls/tls.key}
- {name: BOOKSTORE_TLS_ROOTS, value: /etc/bookstore/tls/ca.crt}
{{- else if eq $root.Values.mesh.profile "off" }}
{{- if $root.Values.mesh.allowUnidentifiedPeers }}
- {name: BOOKSTORE_ALLOW_UNIDENTIFIED_PEERS, value: "true"}
{{- end }}
{{- else }}
- {name: BOOKSTORE_MESH_TRUST_DOMAIN, value: {{ $root.Values.mesh.trustDomain | quote }}}
- {name: BOOKSTORE_MESH_NAMESPACE, value: {{ $root.Release.Namespace | quote }}}
{{- end }}
{{- range .service.calls }}
- {name: BOOKSTORE_{{ upper . }}_TARGET, value: "{{ include "bookstore.target" (dict "root" $root "name" .) }}"}
{{- end }}
{{- if and .service.calls (eq $root.Values.discovery "kubernetes") }}
# Replicas in the same zone come first; which zone that is the EndpointSlices say of the pod's own node.
- {name: BOOKSTORE_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
{{- end }}
{{- with include "bookstore.otlpEndpoint" $root }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: BOOKSTORE_TRACES_PER_SECOND, value: {{ $root.Values.telemetry.tracesPerSecond | quote }}}
{{- if eq $.name "gateway" }}
- {name: BOOKSTORE_ASKED_TRACES_PER_SECOND, value: {{ $root.Values.telemetry.askedTracesPerSecond | quote }}}
{{- end }}
{{- if not (and $root.Values.telemetry.otlpEndpoint $root.Values.telemetry.metrics) }}
# Jaeger takes none, and Prometheus asks for them.
- {name: OTEL_METRICS_EXPORTER, value: none}
{{- end }}
{{- end }}
- {name: BOOKSTORE_ENDPOINT_PROPAGATION, value: {{ .settings.shutdown.endpointPropagation }}}
- {name: BOOKSTORE_STOP_GRACE, value: {{ .settings.shutdown.grace }}}
{{- if .service.keeps }}
- {name: BOOKSTORE_DATABASE_URL_FILE, value: /etc/bookstore/secrets/database-url}
- {name: BOOKSTORE_DATABASE_POOL, value: {{ .settings.database.pool | quote }}}
- {name: BOOKSTORE_NATS_URL_FILE, value: /etc/bookstore/secrets/broker-url}
{{- with include "bookstore.natsRoots" $root }}
{{ . }}
{{- end }}
- {name: BOOKSTORE_STREAM_REPLICAS, value: {{ $root.Values.nats.streamReplicas | quote }}}
{{- end }}
{{- if eq .name "identity" }}
- {name: BOOKSTORE_SIGNING_KEY_FILE, value: /etc/bookstore/secrets/signing-key.pem}
- {name: BOOKSTORE_ADMIN_EMAIL_FILE, value: /etc/bookstore/secrets/admin-email}
- {name: BOOKSTORE_ADMIN_PASSWORD_FILE, value: /etc/bookstore/secrets/admin-password}
{{- end }}
{{- if eq .name "notification" }}
- {name: BOOKSTORE_SMTP_URL, value: {{ $root.Values.mail.url | quote }}}
- {name: BOOKSTORE_MAIL_FROM, value: {{ $root.Values.mail.from | quote }}}
{{- if $root.Values.mail.existingSecret }}
- {name: BOOKSTORE_SMTP_USER_FILE, value: /etc/bookstore/secrets/smtp-user}
- {name: BOOKSTORE_SMTP_PASSWORD_FILE, value: /etc/bookstore/secrets/smtp-password}
{{- end }}
{{- end }}
{{- range $variable, $value := .settings.env }}
- {name: {{ $variable }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* The files that a service's secrets are, as sources of a projected volume; nothing if it has none. */}}
{{- define "bookstore.secretFiles" -}}
{{- if .service.keeps -}}
{{- $database := include "bookstore.databaseSecret" . | fromYaml -}}
{{- $broker := include "bookstore.brokerSecret" . | fromYaml -}}
- secret:
    name: {{ $database.name }}
    items: [{key: {{ $database.key }}, path: database-url}]
- secret:
    name: {{ $broker.name }}
    items: [{key: {{ $broker.key }}, path: broker-url}]
{{- end -}}
{{- if eq .name "identity" }}
- secret:
    name: {{ .root.Values.identity.signingKey.existingSecret | default "identity-signing-key" }}
    items: [{key: {{ .root.Values.identity.signingKey.existingSecretKey }}, path: signing-key.pem}]
- secret:
    name: {{ .root.Values.identity.admin.existingSecret | default "admin-account" }}
    items: [{key: email, path: admin-email}, {key: password, path: admin-password}]
{{- end }}
{{- if and (eq .name "notification") .root.Values.mail.existingSecret }}
- secret:
    name: {{ .root.Values.mail.existingSecret }}
    items: [{key: username, path: smtp-user}, {key: password, path: smtp-password}]
{{- end }}
{{- end -}}
