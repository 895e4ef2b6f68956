use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::Trace;

use crate::{SERVICES, Shop, cluster::until, pods};

/// Where Jaeger answers questions.
const PAGES: u16 = 16686;
/// Spans leave a service every few seconds.
const COMPLETE: Duration = Duration::from_mins(1);

impl Shop {
    /// The one trace in which a service was called by this method since then (seconds since 1970), as Jaeger has it once
    /// it is whole: with the parts of all services, and with these calls, each of a caller and a callee.
    pub async fn trace(
        &self,
        service: &str,
        method: &str,
        since: i64,
        edges: &[(&str, &str)],
    ) -> Result<Trace> {
        let method = method.replace('/', "%2F");
        let path = format!("/api/traces?service={service}&operation={method}&start={since}000000");
        until("the trace is whole", COMPLETE, async || {
            let jaeger = pods::ready(&self.pods(), "jaeger").await?.pop().context("no Jaeger")?;
            let page = pods::page(&self.pods(), &jaeger, PAGES, &path).await?;
            let trace = Trace::from_jaeger(&serde_json::from_str(&page)?)?;
            let faults = trace.faults(&SERVICES);
            ensure!(faults.is_empty(), "{}", faults.join("\n"));
            for edge in edges {
                ensure!(trace.edges().contains(edge), "{edge:?} is not among {:?}", trace.edges());
            }
            Ok(Some(trace))
        })
        .await
    }
}
