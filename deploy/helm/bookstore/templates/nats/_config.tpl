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
  authorization {
    users: [
      {{- range $name, $service := include "bookstore.services" . | fromYaml }}
      {{- if $service.keeps }}
      {
        user: {{ $name }}, password: ${{ upper $name }}_PASSWORD
        permissions: {
          publish: [
            "bookstore.{{ $name }}.v1.>", "bookstore.wake.{{ $name }}", "$JS.API.STREAM.CREATE.{{ upper $name }}"
            "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>"
            "$JS.API.CONSUMER.>", "$JS.ACK.>"
          ]
          subscribe: ["_INBOX.>", "bookstore.{{ $name }}.v1.>", "bookstore.wake.{{ $name }}"]
        }
      }
      {{- end }}
      {{- end }}
      {
        user: verify, password: $VERIFY_PASSWORD
        permissions: {
          publish: ["$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.CONSUMER.>"]
          subscribe: ["_INBOX.>"]
        }
      }
    ]
  }
{{- end -}}
