use ::tracing::Instrument as _;
use anyhow::{Context as _, Result};
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

    let spans = eventually("all spans have arrived", SOON, async || {
        let spans = collector.spans();
        let processed = spans.iter().filter(|span| span.name == "process bookstore.order.v1.placed").count();
        let named = |name: &str| spans.iter().any(|span| span.name == name);
        (processed >= 2 && named("publish ORDER") && named("handle test_order_placed") && named("request b"))
            .then_some(spans)
    })
    .await?;
    let find = |name: &str| spans.iter().find(|span| span.name == name).with_context(|| name.to_owned());
    let processes: Vec<_> =
        spans.iter().filter(|span| span.name == "process bookstore.order.v1.placed").collect();
    for order in ["a", "b"] {
        let request = find(&format!("request {order}"))?;
        let process = processes.iter().find(|span| span.trace_id == request.trace_id);
        let process = process.with_context(|| format!("{order}'s event is in its request's trace"))?;
        assert!(process.parent.is_some());
        assert_eq!(process.kind, "Consumer");
    }
    let publish = find("publish ORDER")?;
    assert_eq!(publish.trace_id, find("request a")?.trace_id);
    assert!(publish.links.iter().any(|link| link.trace_id != publish.trace_id) || publish.links.is_empty());
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await?;
    Ok(())
}
