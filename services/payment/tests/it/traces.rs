//! What the service says about itself over OTLP.

use anyhow::{Context as _, Result};
use proto::payment::v1::TopUpRequest;
use testkit::{Collector, Span, as_user, eventually};

use crate::shop::{SOON, Shop, euros};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLICK: &str = "00f067aa0ba902b7";

/// The only test that sets up telemetry, which is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_sql_are_one_trace_without_personal_data() -> Result<()> {
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "payment",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        sampling: telemetry::Sampling::default(),
        json: true,
    })?;
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.add_card(&reader, "tok_visa").await??;
    let request = TopUpRequest {
        request_id: "my-request".to_owned(),
        amount: Some(euros(31_415)),
        ..TopUpRequest::default()
    };
    let mut call = as_user(&reader.token, request)?;
    call.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CLICK}-01").parse()?);
    shop.client.clone().top_up(call).await?;

    let is_commit = |span: &Span| span.name == "COMMIT";
    let spans = eventually("the trace's spans", SOON, async || {
        let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.trace_id == TRACE).collect();
        let complete = spans.iter().any(is_commit) && spans.iter().any(|span| span.kind == "Server");
        complete.then_some(spans)
    })
    .await?;
    let server = spans.iter().find(|span| span.kind == "Server").context("no server span")?;
    assert_eq!(server.name, "bookstore.payment.v1.PaymentService/TopUp");
    assert_eq!(server.parent.as_deref(), Some(CLICK));
    assert_eq!(server.attribute("rpc.grpc.status_code"), Some("0"));

    let insert = spans.iter().find(|span| span.name == "INSERT card_charges").context("no SQL span")?;
    assert_eq!(insert.attribute("db.system.name"), Some("postgresql"));
    assert_eq!(insert.attribute("db.operation.name"), Some("INSERT"));
    assert!(insert.attribute("db.query.text").context("no text")?.contains("$1"));
    assert_eq!(insert.parent.as_ref(), Some(&server.span_id));

    let said = format!("{spans:?}");
    let values = [
        reader.user.to_string(),
        reader.user.uuid().to_string(),
        "my-request".to_owned(),
        "31415".to_owned(),
        "tok_visa".to_owned(),
    ];
    for value in values {
        assert!(!said.contains(&value), "{value} is in the trace");
    }
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    Ok(())
}
