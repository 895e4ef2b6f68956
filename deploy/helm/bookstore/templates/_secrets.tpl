{{/*
What the program `certificates` makes, as its arguments: only what nobody gave. What is there it keeps, but for
certificates, which it renews.
*/}}
{{- define "bookstore.certificatesArguments" -}}
{{- $services := include "bookstore.services" . | fromYaml -}}
{{- if eq (include "bookstore.ownCertificates" .) "true" }}
- --trust-domain={{ .Values.trustDomain }}
- --cluster-domain={{ .Values.clusterDomain }}
- --life={{ .Values.certificates.life }}
- --authority-life={{ .Values.certificates.authorityLife }}
{{- range $name, $service := $services }}
- --service={{ $name }}={{ $name }}{{ if ne $name "gateway" }},{{ $name }}-headless{{ end }}
{{- end }}
{{- end }}
{{- range $name, $service := $services }}
{{- if $service.keeps }}
{{- $own := index $.Values $name }}
{{- if and (ne $.Values.postgres.provider "external") (not $own.database.existingSecret) }}
- --account={{ $name }}-database={{ include "bookstore.databaseUrl" (dict "root" $ "name" $name) }}
{{- end }}
{{- if and (eq $.Values.nats.provider "bundled") (not $own.broker.existingSecret) }}
- --account={{ $name }}-broker=nats://{{ $name }}@nats:4222
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.nats.provider "bundled") (not .Values.verify.broker.existingSecret) }}
- --account=verify-broker=nats://verify@nats:4222
{{- end }}
{{- if and (eq .Values.postgres.provider "bundled") (not .Values.postgres.existingSecret) }}
- --account=postgres-admin=postgres://postgres@postgres:5432/postgres
{{- end }}
{{- if not .Values.identity.signingKey.existingSecret }}
- --signing-key=identity-signing-key
{{- end }}
{{- if not .Values.identity.admin.existingSecret }}
- --admin=admin-account={{ .Values.identity.admin.email }}
{{- end }}
{{- end -}}

{{/* Whether our own program makes and renews the services' certificates. */}}
{{- define "bookstore.ownCertificates" -}}
{{- and (eq .Values.mesh.profile "native") (eq .Values.certificates.provider "hook") -}}
{{- end -}}

{{/* A service's database, without the password. */}}
{{- define "bookstore.databaseUrl" -}}
{{- if eq .root.Values.postgres.provider "cloudnativepg" -}}
postgres://{{ .name }}@postgres-rw:5432/{{ .name }}?sslmode=verify-full&sslrootcert=/etc/bookstore/postgres/ca.crt
{{- else -}}
postgres://{{ .name }}@postgres:5432/{{ .name }}
{{- end -}}
{{- end -}}

{{/* The names of the Secrets that the program makes, for its Role. */}}
{{- define "bookstore.madeSecrets" -}}
{{- $names := list -}}
{{- $services := include "bookstore.services" . | fromYaml -}}
{{- if eq (include "bookstore.ownCertificates" .) "true" -}}
{{- $names = append $names "bookstore-ca" -}}
{{- range $name, $service := $services -}}{{- $names = append $names (printf "%s-tls" $name) -}}{{- end -}}
{{- end -}}
{{- range $argument := splitList "\n" (include "bookstore.certificatesArguments" .) -}}
{{- $words := splitList "=" (trimPrefix "- " $argument) -}}
{{- if has (first $words) (list "--account" "--signing-key" "--admin") -}}
{{- $names = append $names (index $words 1) -}}
{{- end -}}
{{- end -}}
{{ $names | toJson }}
{{- end -}}
