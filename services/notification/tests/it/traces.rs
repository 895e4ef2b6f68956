//! What the service says about itself over OTLP.

use anyhow::{Context as _, Result};
use proto::notification::v1::DeliveryState;
use testkit::{Collector, Span, eventually};
use values::OrderId;

use crate::shop::{SOON, Shop};

/// The only test that sets up telemetry, which is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_its_mail_are_one_trace_without_personal_data() -> Result<()> {
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "notification",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        sampling: telemetry::Sampling::default(),
        json: true,
    })?;
    let shop = Shop::open().await?;
    let reader = shop.reader("Konstanze");
    let event = shop.confirm(&reader, OrderId::new()).await?;
    shop.delivery_in(DeliveryState::Sent, &reader).await?;

    let is_ours = |span: &Span| span.attribute("messaging.message.id") == Some(event.to_string().as_str());
    let spans = eventually("the trace's spans", SOON, async || {
        let all = collector.spans();
        let trace = all.iter().find(|span| is_ours(span))?.trace_id.clone();
        let spans: Vec<Span> = all.into_iter().filter(|span| span.trace_id == trace).collect();
        spans.iter().any(|span| span.name.starts_with("send ")).then_some(spans)
    })
    .await?;
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).with_context(|| format!("no {name}"));
    let process = named("process bookstore.order.v1.confirmed")?;
    let send = named("send bookstore.order.v1.confirmed")?;
    assert_eq!(send.parent.as_ref(), Some(&process.span_id));
    let asked = named("bookstore.identity.v1.IdentityService/BatchGetContacts")?;
    let together = named("batch contacts")?;
    assert_eq!(asked.parent.as_ref(), Some(&together.span_id));
    assert_eq!(together.parent.as_ref(), Some(&send.span_id));

    let said = format!("{:?}", collector.spans());
    let values = [
        reader.user.to_string(),
        reader.user.uuid().to_string(),
        reader.email.clone(),
        "Konstanze".to_owned(),
    ];
    for value in values {
        assert!(!said.contains(&value), "{value} is in a trace");
    }
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    Ok(())
}
