{{- define "bookstore.natsFiles" -}}
nats.conf: |
  server_name: nats
  port: 4222
  # Health for the kubelet.
  http_port: 8222
  jetstream {
    store_dir: /data
    # Acknowledged is written: events outlive the node.
    sync_interval: always
    max_memory_store: 16MB
    max_file_store: {{ .Values.nats.storage.streams }}
  }
{{- end -}}
