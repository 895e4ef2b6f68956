use ::tracing::Instrument as _;
use anyhow::Result;
use testkit::{Collector, eventually};

use crate::{
    recorder::Recorder,
    shop::{SOON, Shop, pace, quick},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stays_in_the_trace_of_what_caused_it() -> Result<()> {
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "events-test",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        json: true,
    })?;

    let shop = Shop::open().await?;
    // Two requests whose events travel together.
    for order in ["a", "b"] {
        let request = ::tracing::info_span!("request", otel.name = format!("request {order}"));
        shop.place(&[order]).instrument(request).await?;
    }
    let _relay = shop.start_relay(pace()).await?;
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.handled_are(2).await?;

    // Other tests of this process are heard as well: only what belongs to the two requests counts.
    for order in ["a", "b"] {
        let request = format!("request {order}");
        eventually(&format!("{request} leads to its event's handling"), SOON, async || {
            let spans = collector.spans();
            let request = spans.iter().find(|span| span.name == request)?;
            let process = spans.iter().find(|span| {
                span.trace_id == request.trace_id && span.name == "process bookstore.order.v1.placed"
            })?;
            (process.kind == "Consumer" && process.parent.is_some()).then_some(())
        })
        .await?;
    }
    // What they share is in the trace of the first, and linked to the other.
    for shared in ["publish ORDER", "handle test_order_placed"] {
        eventually(&format!("{shared} belongs to both"), SOON, async || {
            let spans = collector.spans();
            let trace = |name: &str| Some(spans.iter().find(|span| span.name == name)?.trace_id.clone());
            let (first, other) = (trace("request a")?, trace("request b")?);
            let found = spans.iter().find(|span| span.name == shared && span.trace_id == first)?;
            found.links.iter().any(|link| link.trace_id == other).then_some(())
        })
        .await?;
    }
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await?;
    Ok(())
}
