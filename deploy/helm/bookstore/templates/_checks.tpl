{{/* What no schema can say: values that contradict each other end the rendering with what to do. */}}
{{- define "bookstore.checks" -}}
{{- range $name, $service := include "bookstore.services" . | fromYaml -}}
{{- $own := index $.Values $name -}}
{{- if $service.keeps -}}
{{- if and (eq $.Values.postgres.provider "external") (not $own.database.existingSecret) -}}
{{- fail (printf "%s.database.existingSecret: name the Secret with %s's Postgres URL, since postgres.provider is external" $name $name) -}}
{{- end -}}
{{- if and (eq $.Values.nats.provider "external") (not $own.broker.existingSecret) -}}
{{- fail (printf "%s.broker.existingSecret: name the Secret with %s's NATS URL, since nats.provider is external" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.nats.provider "external") (not .Values.verify.broker.existingSecret) -}}
{{- fail "verify.broker.existingSecret: name the Secret with the NATS URL of an account that may read all streams, since nats.provider is external" -}}
{{- end -}}
{{- if and (eq .Values.nats.provider "bundled") (ne (int .Values.nats.streamReplicas) 1) -}}
{{- fail "nats.streamReplicas: the bundled NATS is one server, it keeps 1 copy" -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.scrapers) -}}
{{- fail "networkPolicy.scrapers: say where Prometheus is, or the network policies keep it out" -}}
{{- end -}}
{{- with .Values.gateway -}}
{{- if and .ingress.enabled (not .ingress.hosts) -}}
{{- fail "gateway.ingress.hosts: name the hosts of the Ingress" -}}
{{- end -}}
{{- if .routes.enabled -}}
{{- if not .routes.parentRefs -}}
{{- fail "gateway.routes.parentRefs: name the Gateways of the routes" -}}
{{- end -}}
{{- if not .routes.grpcHostnames -}}
{{- fail "gateway.routes.grpcHostnames: name the hosts for gRPC" -}}
{{- end -}}
{{- range .routes.hostnames -}}
{{- if has . $.Values.gateway.routes.grpcHostnames -}}
{{- fail (printf "gateway.routes: %s can't be for gRPC and for HTTP: routes of two kinds can't share a host" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
