use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::{self as otlp, status::StatusCode},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// An OTLP endpoint (gRPC) that keeps the spans it is sent. Stops when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Received,
    server: JoinHandle<()>,
}

/// A span as it was received.
#[derive(Clone, Debug)]
pub struct Span {
    /// `service.name` of who sent it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The span that caused it; `None` for a trace's first.
    pub parent: Option<String>,
    /// `Server`, `Client`, `Internal`, `Producer` or `Consumer`.
    pub kind: String,
    /// Whether it is marked as failed.
    pub is_error: bool,
    /// Other spans it belongs to.
    pub links: Vec<Link>,
    /// Its attributes, values as text.
    pub attributes: Vec<(String, String)>,
}

/// A link from a span to another one, of any trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}

#[derive(Clone, Debug, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<String>>>,
}

impl Span {
    /// The value of an attribute, as text.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

impl Collector {
    /// Starts to listen on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let received = Received::default();
        let service = Server::builder()
            .add_service(TraceServiceServer::new(received.clone()))
            .add_service(MetricsServiceServer::new(received.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move {
            // It ends with the test only.
            let _ = service.await;
        });
        Ok(Self { address, received, server })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        locked(&self.received.spans).clone()
    }

    /// The names of all metrics so far, each once.
    #[must_use]
    pub fn metrics(&self) -> Vec<String> {
        locked(&self.received.metrics).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = locked(&self.spans);
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| texts(resource.attributes)).unwrap_or_default();
            let service = attributes.into_iter().find(|(key, _)| key == "service.name").map(|(_, name)| name);
            let service = service.unwrap_or_default();
            let sent = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(sent.map(|span| Span::received(&service, span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut names = locked(&self.metrics);
        let resources = request.into_inner().resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            if !names.contains(&metric.name) {
                names.push(metric.name);
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Span {
    fn received(service: &str, span: otlp::Span) -> Self {
        Self {
            service: service.to_owned(),
            kind: format!("{:?}", span.kind()),
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
            parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
            links: span
                .links
                .iter()
                .map(|link| Link { trace_id: hex(&link.trace_id), span_id: hex(&link.span_id) })
                .collect(),
            attributes: texts(span.attributes),
            name: span.name,
        }
    }
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    attributes.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
