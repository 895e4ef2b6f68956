{{/* The server's configuration. Each service may publish its own events and nobody else's. */}}
{{- define "bookstore.natsFiles" -}}
nats.conf: |
  server_name: nats
  port: 4222
  # Health for the kubelet.
  http_port: 8222
  jetstream {
    store_dir: /data
    # What is acknowledged is on disk: events outlive the node.
    sync_interval: always
    max_memory_store: 16MB
    max_file_store: {{ .Values.nats.storage.streams }}
  }
{{- end -}}
