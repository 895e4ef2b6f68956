//! One trace, and whether it tells everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Link, Span};

/// The spans of one trace.
#[derive(Clone, Debug)]
pub struct Trace {
    spans: Vec<Span>,
}

impl Trace {
    /// Of what a collector received.
    #[must_use]
    pub fn of(id: &str, mut spans: Vec<Span>) -> Self {
        spans.retain(|span| span.trace_id == id);
        Self { spans }
    }

    /// From the answer of Jaeger's `/api/traces/{id}`. A trace that Jaeger doesn't know has no spans.
    pub fn from_jaeger(answer: &Value) -> Result<Self> {
        let traces = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut spans = Vec::new();
        for trace in traces {
            let processes = trace["processes"].as_object().context("a trace without processes")?;
            for span in trace["spans"].as_array().context("a trace without spans")? {
                let process = text(&span["processID"])?;
                let service =
                    text(&processes.get(process).context("a span without process")?["serviceName"])?;
                spans.push(read(span, service)?);
            }
        }
        Ok(Self { spans })
    }

    /// All its spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Who had a part in it.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.iter().map(|span| span.service.as_str()).collect()
    }

    /// Who made whom do something: what a service map shows.
    #[must_use]
    pub fn edges(&self) -> BTreeSet<(&str, &str)> {
        let services: HashMap<&str, &str> =
            self.spans.iter().map(|span| (span.span_id.as_str(), span.service.as_str())).collect();
        let edges = self.spans.iter().filter_map(|span| {
            let caller = *services.get(span.parent.as_deref()?)?;
            (caller != span.service).then_some((caller, span.service.as_str()))
        });
        edges.collect()
    }

    /// The spans without a parent.
    #[must_use]
    pub fn roots(&self) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.parent.is_none()).collect()
    }

    /// What is known only by the spans that it caused.
    #[must_use]
    pub fn orphans(&self) -> Vec<String> {
        let known: BTreeSet<&str> = self.spans.iter().map(|span| span.span_id.as_str()).collect();
        let mut lost: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for span in &self.spans {
            if let Some(parent) = span.parent.as_deref().filter(|parent| !known.contains(parent)) {
                lost.entry(parent).or_default().push(name(span));
            }
        }
        lost.into_iter().map(|(parent, orphans)| format!("no parent {parent} of {orphans:?}")).collect()
    }

    /// What is wrong with it, in words, where it is to be the one trace of all that these services do for a request: begun
    /// once, whole, and with everybody's part. Nothing if all is right.
    #[must_use]
    pub fn faults(&self, services: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let ids: BTreeSet<&str> = self.spans.iter().map(|span| span.trace_id.as_str()).collect();
        if ids.len() > 1 {
            faults.push(format!("more than one trace: {ids:?}"));
        }
        let present = self.services();
        faults.extend(
            services.iter().filter(|name| !present.contains(*name)).map(|name| format!("nothing of {name}")),
        );
        let roots: Vec<String> = self.roots().into_iter().map(name).collect();
        if roots.len() != 1 {
            faults.push(format!("begun {} times: {roots:?}", roots.len()));
        }
        faults.extend(self.orphans());
        faults.extend(self.spans.iter().filter_map(misnamed));
        faults
    }
}

/// Calls and events are told by who asks and who answers; Jaeger draws its map by that.
fn misnamed(span: &Span) -> Option<String> {
    let kinds: &[&str] = if span.attribute("rpc.system").is_some() {
        &["Client", "Server"]
    } else if span.attribute("db.system.name").is_some() {
        &["Client"]
    } else if span.attribute("messaging.system").is_some() {
        &["Producer", "Consumer", "Client"]
    } else {
        return None;
    };
    (!kinds.contains(&span.kind.as_str())).then(|| format!("{} is of kind {}", name(span), span.kind))
}

fn name(span: &Span) -> String {
    format!("{}: {}", span.service, span.name)
}

fn read(span: &Value, service: &str) -> Result<Span> {
    let mut attributes = Vec::new();
    for tag in span["tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let value = &tag["value"];
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        attributes.push((text(&tag["key"])?.to_owned(), value));
    }
    let tag = |key: &str| attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let mut kind = tag("span.kind").unwrap_or("internal").to_owned();
    kind[..1].make_ascii_uppercase();
    let (mut parent, mut links) = (None, Vec::new());
    for reference in span["references"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let link = Link {
            trace_id: text(&reference["traceID"])?.to_owned(),
            span_id: text(&reference["spanID"])?.to_owned(),
        };
        if reference["refType"] == "CHILD_OF" { parent = Some(link.span_id) } else { links.push(link) }
    }
    Ok(Span {
        service: service.to_owned(),
        name: text(&span["operationName"])?.to_owned(),
        trace_id: text(&span["traceID"])?.to_owned(),
        span_id: text(&span["spanID"])?.to_owned(),
        parent,
        kind,
        is_error: tag("error") == Some("true"),
        links,
        attributes,
    })
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(id: &str, parent: Option<&str>, process: &str, kind: &str) -> Value {
        let parents = parent.map(|parent| json!({"refType": "CHILD_OF", "traceID": "t", "spanID": parent}));
        json!({
            "traceID": "t", "spanID": id, "processID": process, "operationName": id,
            "references": parents.into_iter().collect::<Vec<_>>(),
            "tags": [{"key": "span.kind", "value": kind}, {"key": "rpc.system", "value": "grpc"}],
        })
    }

    fn trace(spans: &[Value]) -> Trace {
        let processes = json!({"p1": {"serviceName": "gateway"}, "p2": {"serviceName": "order"}});
        Trace::from_jaeger(&json!({"data": [{"spans": spans, "processes": processes}]})).unwrap()
    }

    #[test]
    fn a_whole_trace_has_no_faults() {
        let whole = trace(&[span("a", None, "p1", "server"), span("b", Some("a"), "p2", "server")]);
        assert_eq!(whole.faults(&["gateway", "order"]), Vec::<String>::new());
        assert_eq!(whole.edges(), BTreeSet::from([("gateway", "order")]));
    }

    #[test]
    fn what_is_missing_is_named() {
        let torn = trace(&[
            span("a", None, "p1", "server"),
            span("b", Some("lost"), "p1", "internal"),
            span("c", None, "p1", "client"),
        ]);
        assert_eq!(
            torn.faults(&["gateway", "order"]),
            [
                "nothing of order",
                r#"begun 2 times: ["gateway: a", "gateway: c"]"#,
                r#"no parent lost of ["gateway: b"]"#,
                "gateway: b is of kind Internal",
            ]
        );
    }

    #[test]
    fn an_unknown_trace_is_nobodys() {
        let none = Trace::from_jaeger(&json!({"data": [], "errors": [{"code": 404}]})).unwrap();
        assert!(none.faults(&["order"]).contains(&"nothing of order".to_owned()));
    }
}
