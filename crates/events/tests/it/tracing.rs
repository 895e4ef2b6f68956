use std::time::Duration;

use ::tracing::Instrument as _;
use anyhow::{Context as _, Result};
use events::Follower;
use testkit::{Broker, Collector, Gate, eventually};
use tokio_util::sync::CancellationToken;

use crate::{
    recorder::Recorder,
    shop::{Running, SOON, Shop, pace, quick},
};

/// The only test that sets up telemetry, which is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn what_operators_see() -> Result<()> {
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "events-test",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        sampling: telemetry::Sampling::default(),
        json: true,
    })?;
    an_event_stays_in_the_trace_of_what_caused_it(&collector).await?;
    a_follower_that_is_cut_off_is_measured().await?;
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await?;
    Ok(())
}

async fn an_event_stays_in_the_trace_of_what_caused_it(collector: &Collector) -> Result<()> {
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
    Ok(())
}

async fn a_follower_that_is_cut_off_is_measured() -> Result<()> {
    // A stream of its own: other tests of this process follow `ORDER`.
    let broker = Broker::start().await?;
    let config = async_nats::jetstream::stream::Config { name: "CUT".to_owned(), ..Default::default() };
    broker.jetstream().await?.create_stream(config).await?;
    let (gate, through) = Gate::before(broker.url()).await?;
    let (nats, reconnects) = events::connect(&through, None, "test").await?;
    let (follower, caught_up) = Follower::new("CUT", Duration::from_mins(16), nats, reconnects, |_| {});
    let stop = CancellationToken::new();
    let _running = Running::start(follower.run(stop.clone()), stop);
    caught_up.wait().await;

    let silence = || {
        let text = telemetry::prometheus_text();
        let line =
            text.lines().find(|line| line.contains("bookstore_follower_silence") && line.contains("CUT"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert!(silence().context("it isn't measured")? < 3.0);
    gate.close();
    eventually("the silence grows", SOON, async || silence().filter(|seconds| *seconds > 3.0)).await?;
    gate.open();
    eventually("it ends", SOON, async || silence().filter(|seconds| *seconds < 2.0)).await?;
    Ok(())
}
