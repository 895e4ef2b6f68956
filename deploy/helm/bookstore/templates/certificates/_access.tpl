{{/*
An account that may do something to the Secrets of the shop:
(dict "root" $ "name" "certificates" "rules" (list …) "hook" "pre-install,…").
*/}}
{{- define "bookstore.certificatesAccess" -}}
{{- $of := dict "root" .root "name" "certificates" "component" "certificates" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels: {{- include "bookstore.labels" $of | nindent 4 }}
  {{- include "bookstore.hook" (dict "hook" .hook "weight" "-10") | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  labels: {{- include "bookstore.labels" $of | nindent 4 }}
  {{- include "bookstore.hook" (dict "hook" .hook "weight" "-10") | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    # Names can't narrow it: nothing is there yet, or all of it is looked for.
    verbs: [{{ .anywhere }}]
  - apiGroups: [""]
    resources: [secrets]
    resourceNames:
      {{- range include "bookstore.madeSecrets" .root | fromJsonArray }}
      - {{ . }}
      {{- end }}
    verbs: {{ .named | toJson }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  labels: {{- include "bookstore.labels" $of | nindent 4 }}
  {{- include "bookstore.hook" (dict "hook" .hook "weight" "-10") | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
{{- end -}}

{{/* What makes an object a hook of Helm's, if it is one. It stays when the hook failed, for its log. */}}
{{- define "bookstore.hook" -}}
{{- with .hook -}}
annotations:
  helm.sh/hook: {{ . }}
  helm.sh/hook-weight: {{ $.weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
{{- end -}}
