{{/* The pod that makes what is missing: (dict "root" $ "command" "ensure" "account" "certificates"). */}}
{{- define "bookstore.certificatesPod" -}}
{{- $of := dict "root" .root "name" "certificates" "component" "certificates" -}}
metadata:
  labels:
    {{- include "bookstore.podLabels" $of | nindent 4 }}
    {{- with include "bookstore.meshLabels" (dict "root" .root "meshed" false) }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with include "bookstore.meshAnnotations" (dict "root" .root "meshed" false) }}
  annotations: {{- . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: Never
  {{- include "bookstore.pullSecrets" .root | nindent 2 }}
  securityContext: {{- include "bookstore.podSecurity" (dict) | nindent 4 }}
  {{- include "bookstore.placement" .root.Values.certificates | nindent 2 }}
  containers:
    - name: certificates
      image: {{ include "bookstore.image" $of }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
        - {{ .command }}
        {{- if eq .command "ensure" }}
        {{- include "bookstore.certificatesArguments" .root | nindent 8 }}
        {{- end }}
      securityContext: {{- include "bookstore.containerSecurity" (dict) | nindent 8 }}
      resources: {{- toYaml .root.Values.certificates.resources | nindent 8 }}
{{- end -}}
