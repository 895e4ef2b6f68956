use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::Trace;

use crate::{Shop, cluster::until, pods};

/// Where Jaeger answers questions.
const PAGES: u16 = 16686;
/// Spans leave a service every few seconds.
const COMPLETE: Duration = Duration::from_mins(1);

impl Shop {
    /// A trace, as Jaeger has it once it is whole, with the parts of these services.
    pub async fn trace(&self, id: &str, services: &[&str]) -> Result<Trace> {
        until("the trace is whole", COMPLETE, async || {
            let jaeger = pods::ready(&self.pods(), "jaeger").await?.pop().context("no Jaeger")?;
            let page = pods::page(&self.pods(), &jaeger, PAGES, &format!("/api/traces/{id}")).await?;
            let trace = Trace::from_jaeger(&serde_json::from_str(&page)?)?;
            let faults = trace.faults(services);
            ensure!(faults.is_empty(), "{}", faults.join("\n"));
            Ok(Some(trace))
        })
        .await
    }
}
