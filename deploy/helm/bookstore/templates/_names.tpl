{{/* What every object of a component is labelled with: (dict "root" $ "name" "order" "component" "service"). */}}
{{- define "bookstore.labels" -}}
{{ include "bookstore.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: bookstore
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What its pods are found by. It never changes: selectors can't. */}}
{{- define "bookstore.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* What its pods are labelled with: no version, with which databases would restart for a new chart. */}}
{{- define "bookstore.podLabels" -}}
{{ include "bookstore.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: bookstore
{{- end -}}

{{/* One of the shop's own images: (dict "root" $ "name" "order"). */}}
{{- define "bookstore.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry -}}{{ . }}/{{- end -}}
{{ $image.repository }}/{{ .name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{/* Where a pod finds secrets to pull its images with. */}}
{{- define "bookstore.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
