//! Traces, metrics and logs: OpenTelemetry's conventions, W3C context, JSON lines, Prometheus text.
//!
//! No personal data goes into any of the three: no e-mail, no name, no user id. Ids of orders, reservations and
//! payments may.

mod command;
mod database;
mod logs;
pub mod propagation;
mod recorded;
pub mod rpc;
mod sampling;

use std::{
    env,
    sync::{Arc, OnceLock},
    time::Duration,
};

pub use command::Command;
use opentelemetry::{global, metrics::Meter, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use prometheus::{Registry, TextEncoder};
use recorded::{Recorded, Told};
use sampling::Sampler;
pub use sampling::Sampling;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// How long the last spans and metrics may take to leave.
const FLUSH: Duration = Duration::from_secs(3);

/// Spans that may wait for the exporter; more are dropped. The SDK's own 2,048 is less than a busy second of what is
/// recorded.
const SPAN_QUEUE: usize = 8_192;

/// The target of spans that bring a parent of their own, rather than belong to whatever goes on around them: of calls and
/// events that come in, of work for several requests. All others are made only in traces that are
/// [recorded](Sampling).
pub const ENTRY: &str = "entry";

/// The most detailed level of spans.
const SPANS: LevelFilter = LevelFilter::INFO;

/// Crates that tell of every frame and every poll below `warn`.
const CHATTY: &[&str] =
    &["h2", "hyper", "hyper_util", "tower", "tonic", "sqlx", "async_nats", "opentelemetry"];

/// What a process says about itself, and to whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// `service.name` of everything sent, and `service` of every log line.
    pub service: &'static str,
    /// Which log lines are written, in `tracing-subscriber`'s syntax: `info`, `info,order=debug`.
    pub filter: String,
    /// Where traces and metrics go over OTLP/gRPC: `http://localhost:4317`; nowhere if absent.
    pub otlp_endpoint: Option<String>,
    /// Which traces are recorded, if they go anywhere.
    pub sampling: Sampling,
    /// Log lines as JSON (for machines) or as text (for people).
    pub json: bool,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter doesn't parse.
    #[error("log filter {0:?}: {1}")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// The OTLP endpoint can't be used.
    #[error("OTLP endpoint {0:?}: {1}")]
    Endpoint(String, #[source] opentelemetry_otlp::ExporterBuildError),
    /// The Prometheus reader could not be made.
    #[error("metrics: {0}")]
    Metrics(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// What was recorded may not have arrived.
    #[error("traces: {0}")]
    Unsent(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// The process already has telemetry.
    #[error("telemetry is already set up")]
    Twice,
}

/// The process's telemetry; to be [shut down](Self::shutdown) last, so that what was said leaves the process.
#[derive(Clone, Debug)]
pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
    registry: Arc<Registry>,
}

static PROCESS: OnceLock<Telemetry> = OnceLock::new();

/// Sets up logs, traces and metrics for the whole process. Inside a Tokio runtime if there is an OTLP endpoint.
pub fn init(config: Config) -> Result<Telemetry, Error> {
    let Config { service, filter, otlp_endpoint, sampling, json } = config;
    let filter = logs::filter(&filter)?;
    let sampler = if otlp_endpoint.is_some() { Sampler::limited(sampling) } else { Sampler::Nothing };
    let telemetry = Telemetry::new(otlp_endpoint.as_deref(), resource(service), sampler.clone())?;
    PROCESS.set(telemetry.clone()).map_err(|_| Error::Twice)?;

    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(telemetry.tracer.clone());
    global::set_meter_provider(telemetry.meter.clone());
    sampler.count(&meter());
    if otlp_endpoint.is_none() {
        sampling::sends_nowhere();
    }

    let listener = listener(telemetry.tracer.tracer("bookstore"), service, json, filter);
    listener.try_init().map_err(|_| Error::Twice)?;
    Ok(telemetry)
}

/// Makes spans of the traces that are recorded, and lines of what passes `logs`.
fn listener(
    tracer: SdkTracer,
    service: &'static str,
    json: bool,
    logs: EnvFilter,
) -> impl Subscriber + for<'a> LookupSpan<'a> {
    let recorded = Recorded::over(Some(&logs));
    tracing_subscriber::registry().with(spans(tracer)).with(logs::layer(service, json, logs)).with(recorded)
}

/// Makes spans of the traces that are recorded, below [`Recorded`].
fn spans<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(Told::new())
}

/// All metrics of the process in Prometheus' text format; empty before [`init`].
#[must_use]
pub fn prometheus_text() -> String {
    PROCESS.get().map(Telemetry::prometheus).unwrap_or_default()
}

/// Makes instruments. Those made before [`init`] measure nothing, for ever: make them lazily.
#[must_use]
pub fn meter() -> Meter {
    global::meter("bookstore")
}

impl Telemetry {
    fn new(endpoint: Option<&str>, resource: Resource, sampler: Sampler) -> Result<Self, Error> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(Error::Metrics)?;
        let mut meter = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader);
        let mut tracer = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler);
        if let Some(endpoint) = endpoint {
            tracer = tracer.with_span_processor(batches(database::Conventions::over(exporter(endpoint)?)));
            // The specification's word for it: Jaeger, for one, takes traces only.
            if env::var_os("OTEL_METRICS_EXPORTER").is_none_or(|exporter| exporter != "none") {
                let metrics = opentelemetry_otlp::MetricExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .with_timeout(FLUSH)
                    .build()
                    .map_err(|error| Error::Endpoint(endpoint.to_owned(), error))?;
                meter = meter.with_periodic_exporter(metrics);
            }
        }
        Ok(Self { tracer: tracer.build(), meter: meter.build(), registry: Arc::new(registry) })
    }

    /// All metrics of the process in Prometheus' text format.
    #[must_use]
    pub fn prometheus(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics could not be written");
            String::new()
        })
    }

    /// Sends what is left. Blocks for a few seconds at most; from async code call it in `spawn_blocking`, since the
    /// exporter needs the runtime to go on.
    pub fn shutdown(self) {
        if let Err(error) = self.tracer.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans may be lost");
        }
        if let Err(error) = self.meter.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last metrics may be lost");
        }
    }
}

fn resource(service: &'static str) -> Resource {
    Resource::builder()
        .with_service_name(service)
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn exporter(endpoint: &str) -> Result<opentelemetry_otlp::SpanExporter, Error> {
    opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(FLUSH)
        .build()
        .map_err(|error| Error::Endpoint(endpoint.to_owned(), error))
}

fn batches<E: opentelemetry_sdk::trace::SpanExporter + 'static>(exporter: E) -> BatchSpanProcessor {
    let mut config = BatchConfigBuilder::default();
    if env::var_os("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
        config = config.with_max_queue_size(SPAN_QUEUE);
    }
    BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build()
}

/// Traces don't depend on the log filter: `BOOKSTORE_LOG=warn` must not tear them apart.
fn spans_filter() -> Targets {
    let quiet = CHATTY.iter().map(|target| (*target, LevelFilter::OFF));
    Targets::new().with_default(SPANS).with_targets(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_can_be_scraped() -> Result<(), Error> {
        use opentelemetry::metrics::MeterProvider as _;

        let telemetry = Telemetry::new(None, Resource::builder_empty().build(), Sampler::Nothing)?;
        let histogram =
            telemetry.meter.meter("test").f64_histogram("rpc.server.duration").with_unit("s").build();
        histogram.record(0.2, &[opentelemetry::KeyValue::new("rpc.method", "PlaceOrder")]);
        let text = telemetry.prometheus();
        assert!(text.contains(r#"rpc_server_duration_seconds_count{rpc_method="PlaceOrder"} 1"#), "{text}");
        Ok(())
    }

    #[test]
    fn nobody_judges_what_neither_logs_nor_traces_take() {
        for (logs, most) in [
            ("warn", LevelFilter::INFO),
            ("info", LevelFilter::INFO),
            ("info,order=debug", LevelFilter::DEBUG),
            ("h2=trace", LevelFilter::TRACE),
        ] {
            for json in [true, false] {
                let tracer = SdkTracerProvider::builder().build().tracer("test");
                let listener = listener(tracer, "test", json, logs::filter(logs).unwrap());
                assert_eq!(listener.max_level_hint(), Some(most), "{logs}, JSON: {json}");
            }
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_no_address_is_named() {
        let error = Telemetry::new(Some("http://["), Resource::builder_empty().build(), Sampler::Nothing)
            .unwrap_err();
        assert!(error.to_string().contains("http://["), "{error}");
    }
}
