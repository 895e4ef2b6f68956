//! SQL spans as OpenTelemetry names them. `SeaORM` makes one per statement, but under its own method names, with the
//! conventions' old attribute names, and with the database's error message, which may quote what a user typed.

use std::time::Duration;

use opentelemetry::{Key, KeyValue, Value, trace::SpanId};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

use crate::sampling;

const PREFIX: &str = "sea_orm.";

/// Renames `SeaORM`'s spans on their way to an exporter.
#[derive(Debug)]
pub(crate) struct Conventions<E> {
    exporter: E,
}

impl<E> Conventions<E> {
    pub(crate) fn over(exporter: E) -> Self {
        Self { exporter }
    }
}

impl<E: SpanExporter> SpanExporter for Conventions<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        // What sweepers and relays ask the database all day long belongs to nobody's request.
        batch.retain(|span| !(span.name.starts_with(PREFIX) && span.parent_span_id == SpanId::INVALID));
        batch.iter_mut().filter(|span| span.name.starts_with(PREFIX)).for_each(rename);
        batch.iter_mut().for_each(begin_trace);
        self.exporter.export(batch).await
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

/// What stands below a span that is sent nowhere is the first of its trace.
fn begin_trace(span: &mut SpanData) {
    let given = span.attributes.len();
    span.attributes.retain(|attribute| attribute.key.as_str() != sampling::ROOT);
    if span.attributes.len() < given {
        span.parent_span_id = SpanId::INVALID;
        span.parent_span_is_remote = false;
    }
}

fn rename(span: &mut SpanData) {
    let statement = text(span, "db.statement").unwrap_or_default();
    // `SeaORM` calls everything EXECUTE that doesn't begin with one of four words: WITH, BEGIN, COMMIT.
    let operation = match text(span, "db.operation") {
        Some(operation) if operation != "EXECUTE" => operation,
        _ => statement
            .split_whitespace()
            .next()
            .map(str::to_ascii_uppercase)
            .or_else(|| span.name.strip_prefix(PREFIX).map(str::to_ascii_uppercase))
            .unwrap_or_default(),
    };
    span.attributes.retain(|attribute| {
        !matches!(attribute.key.as_str(), "db.system" | "db.operation" | "db.statement" | "exception.message")
    });
    span.attributes.push(KeyValue::new("db.system.name", "postgresql"));
    span.attributes.push(KeyValue::new("db.operation.name", operation.clone()));
    if !statement.is_empty() {
        span.attributes.push(KeyValue::new("db.query.text", one_line(&statement)));
    }
    span.name = match table(&statement) {
        Some(table) => format!("{operation} {table}").into(),
        None => operation.into(),
    };
}

fn text(span: &SpanData, key: &'static str) -> Option<String> {
    let key = Key::from_static_str(key);
    span.attributes.iter().find(|attribute| attribute.key == key).map(|attribute| match &attribute.value {
        Value::String(text) => text.as_str().to_owned(),
        other => other.to_string(),
    })
}

fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first table that a statement names.
fn table(statement: &str) -> Option<&str> {
    let mut words = statement.split_whitespace();
    words
        .by_ref()
        .find(|word| ["FROM", "INTO", "UPDATE"].iter().any(|verb| verb.eq_ignore_ascii_case(word)))?;
    let name = words.next()?.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '_');
    (!name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "_.\"".contains(letter)))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        Context,
        trace::{
            Span as _, SpanContext, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
            TracerProvider as _,
        },
    };
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;

    /// What is exported of a span, as part of a request or by itself.
    fn export(
        name: &'static str,
        attributes: &[(&'static str, &'static str)],
        request: &Context,
    ) -> Option<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider =
            SdkTracerProvider::builder().with_simple_exporter(Conventions::over(exporter.clone())).build();
        let mut span = provider.tracer("test").start_with_context(name, request);
        for (key, value) in attributes {
            span.set_attribute(KeyValue::new(*key, *value));
        }
        span.end();
        exporter.get_finished_spans().unwrap().pop()
    }

    fn exported(name: &'static str, attributes: &[(&'static str, &'static str)]) -> SpanData {
        let request = SpanContext::new(
            TraceId::from(1_u128),
            SpanId::from(1_u64),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        export(name, attributes, &Context::new().with_remote_span_context(request)).unwrap()
    }

    #[test]
    fn what_a_sweeper_asks_is_no_trace_of_its_own() {
        let statement = [("db.statement", "SELECT id FROM orders")];
        assert!(export("sea_orm.query_all", &statement, &Context::new()).is_none());
        assert!(export("sweep", &[], &Context::new()).is_some());
    }

    #[test]
    fn what_stands_below_a_span_that_is_sent_nowhere_is_the_first_of_its_trace() {
        let first = exported("request", &[(sampling::ROOT, "true"), ("kept", "1")]);
        assert_eq!((first.parent_span_id, first.attributes.len()), (SpanId::INVALID, 1));
        assert_eq!(exported("request", &[]).parent_span_id, SpanId::from(1_u64));
    }

    #[test]
    fn a_statement_is_named_by_what_it_does_to_which_table() {
        let span = exported(
            "sea_orm.query_all",
            &[
                ("db.system", "postgresql"),
                ("db.operation", "SELECT"),
                ("db.statement", "SELECT id\n  FROM orders\n WHERE id = $1"),
            ],
        );
        assert_eq!(span.name, "SELECT orders");
        assert_eq!(text(&span, "db.system.name").as_deref(), Some("postgresql"));
        assert_eq!(text(&span, "db.operation.name").as_deref(), Some("SELECT"));
        assert_eq!(text(&span, "db.query.text").as_deref(), Some("SELECT id FROM orders WHERE id = $1"));
        assert_eq!(text(&span, "db.statement"), None);
    }

    #[test]
    fn what_the_database_complains_about_stays_out() {
        let complaint = "invalid input syntax for type uuid: \"someone@example.org\"";
        let span =
            exported("sea_orm.execute", &[("db.operation", "EXECUTE"), ("exception.message", complaint)]);
        assert!(!format!("{span:?}").contains("someone"));
    }

    #[test]
    fn a_transaction_is_named_by_its_step() {
        let span = exported("sea_orm.begin", &[("db.operation", "EXECUTE")]);
        assert_eq!(span.name, "BEGIN");
    }

    #[test]
    fn other_spans_are_left_alone() {
        let span = exported("place", &[("db.statement", "mine")]);
        assert_eq!((&*span.name, text(&span, "db.statement").as_deref()), ("place", Some("mine")));
    }

    #[test]
    fn the_first_table_is_found() {
        assert_eq!(table("INSERT INTO \"order_history\" (order_id) VALUES ($1)"), Some("order_history"));
        assert_eq!(table("UPDATE stock SET reserved = 1"), Some("stock"));
        assert_eq!(table("SELECT * FROM unnest($1::uuid[]) AS wanted"), None);
        assert_eq!(table("COMMIT"), None);
    }
}
