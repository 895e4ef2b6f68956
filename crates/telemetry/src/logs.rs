//! Log lines: one JSON object each, with the ids of the trace that they belong to.

use std::{error::Error as StdError, fmt};

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use crate::{CHATTY, Error};

pub(crate) fn filter(directives: &str) -> Result<EnvFilter, Error> {
    let parsed = |directives: String| EnvFilter::builder().parse(directives);
    let asked = parsed(directives.to_owned());
    let asked = asked.map_err(|error| Error::Filter(directives.to_owned(), error))?;
    if asked.max_level_hint().is_some_and(|level| level <= LevelFilter::WARN) {
        return Ok(asked);
    }
    let mut all: Vec<String> = CHATTY.iter().map(|target| format!("{target}=warn")).collect();
    // A later directive for the same target wins, so that anything can be asked for by name.
    all.push(directives.to_owned());
    parsed(all.join(",")).map_err(|error| Error::Filter(directives.to_owned(), error))
}

pub(crate) fn layer<S>(
    service: &'static str,
    json: bool,
    filter: EnvFilter,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer();
    if json {
        // Spans stand in no line: nothing is to be kept of them.
        let events = filter_fn(|about: &Metadata<'_>| about.is_event());
        Box::new(lines.event_format(JsonLines { service }).with_filter(filter.and(events)))
    } else {
        Box::new(lines.compact().with_filter(filter))
    }
}

struct JsonLines {
    service: &'static str,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("service".to_owned(), self.service.into());
        line.insert("target".to_owned(), event.metadata().target().into());
        // The context that the current span activated: it is right even where the log filter drops the span itself.
        let context = opentelemetry::Context::current();
        let span = context.span().span_context().clone();
        if span.is_valid() {
            line.insert("trace_id".to_owned(), span.trace_id().to_string().into());
            line.insert("span_id".to_owned(), span.span_id().to_string().into());
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, chain);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, sync::Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn parsed(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn logging(directives: &str, act: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let written = lines.clone();
        let provider = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(
                tracing_opentelemetry::layer()
                    .with_tracer(provider.tracer("test"))
                    .with_filter(crate::spans_filter()),
            )
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(move || written.clone())
                    .event_format(JsonLines { service: "order" })
                    .with_filter(filter(directives).unwrap()),
            );
        tracing::subscriber::with_default(subscriber, act);
        lines.parsed()
    }

    #[test]
    fn a_line_names_its_trace_even_if_the_filter_hides_the_span() {
        let mut context = opentelemetry::Context::new();
        let lines = logging("warn", || {
            let span = tracing::info_span!("place");
            context = span.context();
            span.in_scope(|| tracing::warn!(orders = 3, "slow"));
        });
        let span = context.span().span_context().clone();
        assert_eq!(lines[0]["trace_id"], span.trace_id().to_string());
        assert_eq!(lines[0]["span_id"], span.span_id().to_string());
        assert_eq!(
            (&lines[0]["message"], &lines[0]["orders"], &lines[0]["service"], &lines[0]["level"]),
            (&"slow".into(), &3.into(), &"order".into(), &"WARN".into())
        );
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        let lines = logging("info", || {
            let inner = io::Error::other("connection refused");
            let outer = Error::Filter("x".to_owned(), "order=loud".parse::<EnvFilter>().unwrap_err());
            tracing::error!(error = &inner as &dyn StdError, "one");
            tracing::error!(error = &outer as &dyn StdError, "two");
        });
        assert_eq!(lines[0]["error"], "connection refused");
        assert!(lines[0].get("trace_id").is_none());
        assert!(lines[1]["error"].as_str().unwrap().starts_with("log filter \"x\": "), "{}", lines[1]);
    }

    #[test]
    fn chatty_crates_are_quiet_unless_asked_for() {
        let speak = || tracing::info!(target: "h2::frame", "a frame");
        assert!(logging("info", speak).is_empty());
        assert_eq!(logging("info,h2=info", speak).len(), 1);
        let warn = || tracing::warn!(target: "h2::frame", "a frame");
        assert_eq!(
            (logging("info", warn).len(), logging("error", warn).len(), logging("off", warn).len()),
            (1, 0, 0)
        );
    }

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        assert!(filter("order=loud").is_err_and(|error| error.to_string().contains("order=loud")));
    }
}
