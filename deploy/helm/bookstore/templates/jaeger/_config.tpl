{{- define "bookstore.jaegerFiles" -}}
config.yaml: |
  # Spans come in by OTLP, are kept in memory, the oldest dropped first, and shown on 16686.
  service:
    extensions: [jaeger_storage, jaeger_query, healthcheckv2]
    pipelines:
      traces:
        receivers: [otlp]
        processors: [memory_limiter, batch]
        exporters: [jaeger_storage_exporter]
    telemetry:
      metrics:
        level: none
  extensions:
    healthcheckv2:
      use_v2: true
      http:
        endpoint: 0.0.0.0:13133
    jaeger_storage:
      backends:
        memory:
          memory:
            max_traces: {{ int .Values.jaeger.maxTraces }}
    jaeger_query:
      storage:
        traces: memory
      http:
        endpoint: 0.0.0.0:16686
      grpc:
        endpoint: 0.0.0.0:16685
  receivers:
    otlp:
      protocols:
        grpc:
          endpoint: 0.0.0.0:4317
  processors:
    memory_limiter:
      check_interval: 1s
      limit_percentage: 80
      spike_limit_percentage: 20
    batch:
      timeout: 200ms
  exporters:
    jaeger_storage_exporter:
      trace_storage: memory
{{- end -}}
