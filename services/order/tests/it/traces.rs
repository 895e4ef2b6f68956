//! What the service says about itself over OTLP.

use anyhow::{Context as _, Result};
use proto::order::v1::{OrderConfirmed, OrderPlaced, OrderState};
use testkit::{Collector, Span, as_user, eventually, published};

use crate::shop::{SOON, Shop, request};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLICK: &str = "00f067aa0ba902b7";

/// The only test that sets up telemetry, which is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_its_calls_its_transaction_and_its_events_are_one_trace_without_personal_data() -> Result<()>
{
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "order",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        sampling: telemetry::Sampling::default(),
        json: true,
    })?;
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut call = as_user(&reader.token, request(&reader))?;
    call.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CLICK}-01").parse()?);
    let order = shop.client.clone().place_order(call).await?.into_inner();

    let spans = eventually("the trace's spans", SOON, async || {
        let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.trace_id == TRACE).collect();
        let has = |name: &str| spans.iter().any(|span| span.name == name);
        let complete =
            has("batch place") && has("WITH orders") && spans.iter().any(|span| span.kind == "Server");
        complete.then_some(spans)
    })
    .await?;
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).with_context(|| format!("no {name}"));
    let server = named("bookstore.order.v1.OrderService/PlaceOrder")?;
    assert_eq!(server.parent.as_deref(), Some(CLICK));
    for (together, call) in [
        ("batch recipients", "bookstore.identity.v1.IdentityService/BatchGetRecipients"),
        ("batch reservations", "bookstore.inventory.v1.InventoryService/BatchReserveStock"),
    ] {
        assert_eq!(named(call)?.parent.as_ref(), Some(&named(together)?.span_id), "{call}");
    }
    for child in ["batch recipients", "batch reservations", "batch place"] {
        assert_eq!(named(child)?.parent.as_ref(), Some(&server.span_id), "{child}");
    }
    // One statement is the whole transaction.
    assert_eq!(named("WITH orders")?.parent.as_ref(), Some(&named("batch place")?.span_id));
    let placed =
        eventually("the event", SOON, async || published::<OrderPlaced>(&shop.broker).await.ok()?.pop())
            .await?;
    assert!(placed.headers.get("traceparent").context("no traceparent")?.as_str().contains(TRACE));

    shop.capture(&order).await?;
    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    let confirmed =
        eventually("the event", SOON, async || published::<OrderConfirmed>(&shop.broker).await.ok()?.pop())
            .await?;
    assert!(confirmed.headers.get("traceparent").is_some());

    let said = format!("{spans:?}");
    for value in [reader.user.to_string(), reader.user.uuid().to_string(), "Lovelace".to_owned()] {
        assert!(!said.contains(&value), "{value} is in the trace");
    }
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    Ok(())
}
