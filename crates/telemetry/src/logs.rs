//! Log lines: one JSON object each, with the ids of the trace that they belong to.

use std::{error::Error as StdError, fmt, io};

use opentelemetry::trace::TraceContextExt as _;
use serde::Serialize;
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
        // Without a hint every library's tales of every frame would be judged one by one, as they come.
        let events = events.with_max_level_hint(LevelFilter::TRACE);
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
        let mut line = Line { writer: writer.by_ref(), outcome: Ok(()) };
        line.writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line.writer)?;
        line.writer.write_char('"')?;
        line.put("level", event.metadata().level().as_str());
        line.put("service", self.service);
        line.put("target", event.metadata().target());
        // The context that the current span activated: it is right even where the log filter drops the span itself.
        opentelemetry::Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            if span.is_valid() {
                line.put_shown("trace_id", format_args!("{}", span.trace_id()));
                line.put_shown("span_id", format_args!("{}", span.span_id()));
            }
        });
        event.record(&mut line);
        line.outcome?;
        writer.write_str("}\n")
    }
}

/// What a line says without being told; an event's own field of such a name gets another.
const OURS: [&str; 6] = ["timestamp", "level", "service", "target", "trace_id", "span_id"];

/// A JSON object that is written as its fields come.
struct Line<'a> {
    writer: Writer<'a>,
    outcome: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, name: &str, value: impl Serialize) {
        self.then(|line| {
            line.name(name)?;
            line.json(value)
        });
    }

    /// A value whose text is known to need no escape.
    fn put_shown(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.then(|line| {
            line.name(name)?;
            line.writer.write_char('"')?;
            line.writer.write_fmt(value)?;
            line.writer.write_char('"')
        });
    }

    fn field(&mut self, field: &Field, value: impl Serialize) {
        if OURS.contains(&field.name()) {
            self.put(&format!("event.{}", field.name()), value);
        } else {
            self.put(field.name(), value);
        }
    }

    fn then(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = write(self);
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        self.writer.write_char(',')?;
        self.json(name)?;
        self.writer.write_char(':')
    }

    fn json(&mut self, value: impl Serialize) -> fmt::Result {
        serde_json::to_writer(Bytes(&mut self.writer), &value).map_err(|_| fmt::Error)
    }
}

/// Takes JSON's bytes for a writer of text.
struct Bytes<'a, 'b>(&'a mut Writer<'b>);

impl io::Write for Bytes<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // serde_json writes whole characters.
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Visit for Line<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        self.field(field, chain);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, sync::Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use serde_json::Value;
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
    fn what_needs_escapes_or_has_a_name_of_ours_is_read_as_it_was() {
        let lines = logging("info", || {
            tracing::info!(
                service = "inventory",
                odd = "\"\\ \n\u{1} ü",
                none = f64::NAN,
                some = 0.5,
                "a \"line\""
            );
        });
        let line = &lines[0];
        assert_eq!((&line["service"], &line["event.service"]), (&"order".into(), &"inventory".into()));
        assert_eq!((&line["odd"], &line["message"]), (&"\"\\ \n\u{1} ü".into(), &"a \"line\"".into()));
        assert_eq!((&line["none"], &line["some"]), (&Value::Null, &0.5.into()));
    }

    #[test]
    fn what_no_line_is_written_of_costs_nothing() {
        for json in [true, false] {
            let lines = layer("order", json, filter("info").unwrap());
            let subscriber = tracing_subscriber::registry().with(lines);
            assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO), "json: {json}");
        }
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
