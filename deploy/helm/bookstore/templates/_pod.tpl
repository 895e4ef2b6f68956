{{/* The uid of our images, and what the restricted pod security standard asks of a pod. */}}
{{- define "bookstore.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user | default 65532 }}
runAsGroup: {{ .user | default 65532 }}
fsGroup: {{ .user | default 65532 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The same of a container. Where programs are exchanged while they run, their folder can be written to. */}}
{{- define "bookstore.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ not .liveUpdate }}
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where pods go, as far as it is configured: the settings of a component. */}}
{{- define "bookstore.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The authorities of Postgres and NATS, where the values name them: who is told, and the files. */}}
{{- define "bookstore.natsRoots" -}}
{{- if .Values.nats.rootsSecret.name -}}
- {name: BOOKSTORE_NATS_ROOTS, value: /etc/bookstore/nats/ca.crt}
{{- end -}}
{{- end -}}

{{- define "bookstore.rootsMounts" -}}
{{- if include "bookstore.postgresRoots" . }}
- {name: postgres-roots, mountPath: /etc/bookstore/postgres, readOnly: true}
{{- end }}
{{- if .Values.nats.rootsSecret.name }}
- {name: nats-roots, mountPath: /etc/bookstore/nats, readOnly: true}
{{- end }}
{{- end -}}

{{- define "bookstore.rootsVolumes" -}}
{{- with include "bookstore.postgresRoots" . }}
- name: postgres-roots
  secret:
    secretName: {{ . }}
    items: [{key: {{ $.Values.postgres.rootsSecret.key }}, path: ca.crt}]
    defaultMode: 0444
{{- end }}
{{- with .Values.nats.rootsSecret }}
{{- if .name }}
- name: nats-roots
  secret:
    secretName: {{ .name }}
    items: [{key: {{ .key }}, path: ca.crt}]
    defaultMode: 0444
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secret with the authority of Postgres' certificate; CloudNativePG makes its own. */}}
{{- define "bookstore.postgresRoots" -}}
{{- if eq .Values.postgres.provider "cloudnativepg" -}}
postgres-ca
{{- else -}}
{{ .Values.postgres.rootsSecret.name }}
{{- end -}}
{{- end -}}

{{/*
What tells the platform's mesh which pods it takes in: those of services. Jobs don't end while a proxy runs beside them.
(dict "root" $ "meshed" true)
*/}}
{{- define "bookstore.meshLabels" -}}
{{- if eq .root.Values.mesh.profile "istio" -}}
sidecar.istio.io/inject: {{ .meshed | quote }}
{{- end -}}
{{- end -}}

{{- define "bookstore.meshAnnotations" -}}
{{- if eq .root.Values.mesh.profile "linkerd" -}}
linkerd.io/inject: {{ ternary "enabled" "disabled" .meshed }}
{{- if .meshed }}
# There the server speaks first, which a proxy would wait for in vain.
config.linkerd.io/skip-outbound-ports: "4222,5432"
{{- end }}
{{- end -}}
{{- end -}}
