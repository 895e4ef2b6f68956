//! The trace of one command of a client program: of all that it asks the shop for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::{global, trace::TraceContextExt as _, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    ENTRY, Error, FLUSH, batches, database, exporter, recorded::Recorded, resource, sampling::Sampler, spans,
};

/// A command under way, whose calls ask the shop to record their trace.
#[derive(Debug)]
pub struct Command {
    tracer: SdkTracerProvider,
    span: Span,
    has_lost: Arc<AtomicBool>,
}

impl Command {
    /// Begins the command called `name`, in which nothing that its user typed may stand. Once a process, inside a Tokio
    /// runtime if there is an OTLP endpoint.
    ///
    /// Its own spans go to the endpoint. Without one they go nowhere and the shop is told so: then the trace begins with
    /// the shop's first span, which has no parent that nobody can find.
    pub fn begin(service: &'static str, name: &str, otlp_endpoint: Option<&str>) -> Result<Self, Error> {
        let sampler = Sampler::Everything { is_seen: otlp_endpoint.is_some() };
        let mut tracer = SdkTracerProvider::builder().with_resource(resource(service)).with_sampler(sampler);
        let has_lost = Arc::default();
        if let Some(endpoint) = otlp_endpoint {
            let noted = Noted { exporter: exporter(endpoint)?, has_lost: Arc::clone(&has_lost) };
            tracer = tracer.with_span_processor(batches(database::Conventions::over(noted)));
        }
        let tracer = tracer.build();
        global::set_tracer_provider(tracer.clone());
        tracing_subscriber::registry()
            .with(spans(tracer.tracer("bookstore")))
            .with(Recorded::over(None))
            .try_init()
            .map_err(|_| Error::Twice)?;
        let span = tracing::info_span!(
            target: ENTRY,
            "command",
            otel.name = name,
            otel.status_code = tracing::field::Empty
        );
        Ok(Self { tracer, span, has_lost })
    }

    /// What is done for the command is done in this.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.span.context().span().span_context().trace_id().to_string()
    }

    /// Ends the command and sends its spans. Blocks for a few seconds at most; from async code call it in
    /// `spawn_blocking`, since the exporter needs the runtime to go on.
    pub fn end(self, has_failed: bool) -> Result<(), Error> {
        if has_failed {
            self.span.record("otel.status_code", "ERROR");
        }
        drop(self.span);
        self.tracer.shutdown_with_timeout(FLUSH).map_err(Error::Unsent)?;
        if self.has_lost.load(Relaxed) {
            return Err(Error::Unsent(OTelSdkError::InternalFailure("spans were not taken".to_owned())));
        }
        Ok(())
    }
}

/// Remembers that something could not be sent, which whoever shuts the traces down isn't told.
#[derive(Debug)]
struct Noted<E> {
    exporter: E,
    has_lost: Arc<AtomicBool>,
}

impl<E: SpanExporter> SpanExporter for Noted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.exporter.export(batch).await.inspect_err(|_| self.has_lost.store(true, Relaxed))
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
