mod command;

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::inventory::v1::ListBooksRequest;
use system_tests::{Options, Service, Shop, new_request_id};
use testkit::{Collector, Span, Trace, eventually};
use tonic::{Request, metadata::MetadataValue};

/// Everybody who has a part in an order.
const ALL: [&str; 6] = ["gateway", "identity", "inventory", "order", "payment", "notification"];

/// Until what has happened has been told, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What one order causes, by service and span: the calls, and the handling of each event of a confirmed order.
const CAUSED: [(&str, &str); 12] = [
    ("gateway", "bookstore.order.v1.OrderService/PlaceOrder"),
    ("order", "bookstore.order.v1.OrderService/PlaceOrder"),
    ("identity", "bookstore.identity.v1.IdentityService/BatchGetRecipients"),
    ("inventory", "bookstore.inventory.v1.InventoryService/BatchReserveStock"),
    ("order", "create bookstore.order.v1.placed"),
    ("payment", "process bookstore.order.v1.placed"),
    ("payment", "create bookstore.payment.v1.captured"),
    ("order", "process bookstore.payment.v1.captured"),
    ("inventory", "bookstore.inventory.v1.InventoryService/BatchCommitReservations"),
    ("notification", "process bookstore.order.v1.confirmed"),
    ("identity", "bookstore.identity.v1.IdentityService/BatchGetContacts"),
    ("notification", "send mail"),
];

#[tokio::test]
async fn what_one_order_causes_is_one_trace() -> Result<()> {
    let shop = Shop::start_with(Options { collector: true, ..Default::default() }).await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    // Once: where it is repeated, each try is a trace.
    let order = customer.order_of(&new_request_id(), &[(&book, 1)]);
    let order_id = customer.try_place_once(order).await??.order_id;
    customer.ended(&order_id).await?;

    let collector = shop.collector()?;
    // The trace in which the order was placed.
    let trace = || {
        let spans = collector.spans();
        let id = spans.iter().find(|span| is(span, CAUSED[0])).map(|span| span.trace_id.clone());
        Trace::of(&id.unwrap_or_default(), spans)
    };
    let faults = |trace: &Trace| {
        let mut faults = trace.faults(&ALL);
        let missing = CAUSED.into_iter().filter(|caused| trace.spans().iter().all(|span| !is(span, *caused)));
        faults.extend(missing.map(|caused| format!("no {caused:?}")));
        faults
    };
    let whole =
        eventually("a whole trace", SOON, async || Some(trace()).filter(|trace| faults(trace).is_empty()));
    let trace = whole.await.with_context(|| {
        let trace = trace();
        format!("{:#?} in {:#?}", faults(&trace), names(trace.spans()))
    })?;
    assert!(is(trace.roots()[0], CAUSED[0]), "{:?}", trace.roots());
    // An event is handled below the span that made it.
    for (made, handled) in [(4, 5), (6, 7)] {
        let named = |at: usize| trace.spans().iter().find(|span| is(span, CAUSED[at])).context("no span");
        assert_eq!(named(handled)?.parent.as_ref(), Some(&named(made)?.span_id));
    }

    // Nothing comes late, in this trace or another one, without the span that caused it.
    shop.stop().await?;
    for id in ids(collector) {
        let orphans: Vec<String> = Trace::of(&id, collector.spans()).orphans();
        assert!(orphans.is_empty(), "{orphans:?}");
    }
    // Nothing that the order caused went on in a trace of its own.
    let id = &trace.spans()[0].trace_id;
    let strays: Vec<Span> = collector
        .spans()
        .into_iter()
        .filter(|span| CAUSED.iter().any(|caused| span.name == caused.1) && span.trace_id != *id)
        // A customer who registers is written to as well.
        .filter(|span| !span.name.ends_with("BatchGetContacts") && span.name != "send mail")
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
    // No personal data in a trace.
    for span in collector.spans() {
        let said = format!("{span:?}");
        for secret in [customer.user_id.as_str(), "@example.com", "Lovelace"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    Ok(())
}

/// What alerts and dashboards look at, beside what every process tells.
#[tokio::test]
async fn what_stands_in_the_databases_is_measured() -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    customer.ended(&customer.place(&book, 1).await?.order_id).await?;
    for (service, name, labels, least) in [
        (Service::Order, "bookstore_order_confirmation_seconds_count", "", 1.0),
        (Service::Order, "bookstore_order_orders", r#"state="CONFIRMED""#, 1.0),
    ] {
        let measured = async || {
            let value = shop.metric(service, name, labels).await.ok()?;
            (value >= least).then_some(())
        };
        eventually(name, Duration::from_mins(1), measured).await?;
    }
    let zero = [
        (Service::Order, r#"bookstore_order_orders{state="PENDING"} 0"#),
        (Service::Order, "bookstore_order_oldest_pending_seconds 0"),
        (Service::Order, "bookstore_dead_letters_waiting 0"),
        (Service::Payment, "bookstore_payment_errands 0"),
        (Service::Payment, "bookstore_payment_errands_oldest_seconds 0"),
    ];
    for (service, line) in zero {
        let told = async || shop.metrics(service).await.ok()?.lines().any(|told| told == line).then_some(());
        eventually(line, Duration::from_mins(1), told).await?;
    }
    Ok(())
}

/// Spans wait a moment for others to be sent with; who stops doesn't leave them behind.
#[tokio::test]
async fn what_was_recorded_last_is_sent_before_a_service_ends() -> Result<()> {
    // Nothing is sent by itself while the test runs.
    let variables = vec![("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned())];
    let shop = Shop::start_with(Options { collector: true, variables, ..Default::default() }).await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    customer.ended(&customer.place(&book, 1).await?.order_id).await?;
    shop.stop().await?;
    let spans = shop.collector()?.spans();
    let id = spans.iter().find(|span| is(span, CAUSED[0])).context("nothing of the order")?.trace_id.clone();
    let trace = Trace::of(&id, spans);
    // The mail may be on its way still.
    let caused = CAUSED[..8].iter().filter(|caused| trace.spans().iter().all(|span| !is(span, **caused)));
    assert_eq!(caused.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
    assert_eq!(trace.orphans(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn what_is_over_the_limit_leaves_no_span_but_what_a_client_asks_for_is_recorded_up_to_its_own()
-> Result<()> {
    let variables = vec![
        ("BOOKSTORE_TRACES_PER_SECOND", "0".to_owned()),
        ("BOOKSTORE_ASKED_TRACES_PER_SECOND", "1".to_owned()),
    ];
    let shop = Shop::start_with(Options { collector: true, variables, ..Default::default() }).await?;
    let collector = shop.collector()?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    customer.ended(&customer.place(&book, 1).await?.order_id).await?;

    // Far more than one a second.
    let ask = async |number: u32, flags: &str| {
        let mut request = Request::new(ListBooksRequest::default());
        let parent = format!("00-{number:032x}-00f067aa0ba902b7-{flags}");
        request.metadata_mut().insert("traceparent", MetadataValue::try_from(parent)?);
        let answer = shop.clients()?.inventory().list_books(request).await?;
        let told = answer.metadata().get("traceresponse").context("no traceresponse")?.to_str()?.to_owned();
        assert!(told.contains(&format!("{number:032x}")), "{told}");
        anyhow::Ok((format!("{number:032x}"), told.ends_with("-01")))
    };
    let (mut recorded, mut not_recorded) = (Vec::new(), Vec::new());
    for number in 1..=50 {
        let (id, is_recorded) = ask(number, "01").await?;
        if is_recorded { &mut recorded } else { &mut not_recorded }.push(id);
    }
    let (not_wanted, is_recorded) = ask(1_000, "00").await?;
    assert!(!is_recorded && !recorded.is_empty() && !not_recorded.is_empty(), "{recorded:?}");

    let whole = eventually("what was asked for", SOON, async || {
        let spans = collector.spans();
        let has = |id: &String, service: &str| {
            spans.iter().any(|span| span.trace_id == *id && span.service == service)
        };
        recorded.iter().all(|id| has(id, "gateway") && has(id, "inventory")).then_some(())
    });
    whole.await?;
    let mut counted = Vec::new();
    for (asked, decision) in [("true", "recorded"), ("true", "over_limit"), ("false", "recorded")] {
        let labels = format!(r#"asked_for="{asked}",decision="{decision}""#);
        counted.push(shop.metric(Service::Gateway, "bookstore_traces_total", &labels).await?.to_string());
    }
    assert_eq!(counted, [recorded.len(), not_recorded.len(), 0].map(|count| count.to_string()));

    shop.stop().await?;
    let strangers: Vec<String> = ids(collector).into_iter().filter(|id| !recorded.contains(id)).collect();
    assert!(strangers.is_empty() && !recorded.contains(&not_wanted), "{strangers:?}");
    // What isn't recorded can be found in the logs all the same.
    assert!(shop.is_logged(Service::Gateway, &format!(r#""trace_id":"{}""#, not_recorded[0]))?);
    Ok(())
}

fn ids(collector: &Collector) -> Vec<String> {
    let mut ids: Vec<String> = collector.spans().into_iter().map(|span| span.trace_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn is(span: &Span, (service, name): (&str, &str)) -> bool {
    span.service == service && span.name == name
}

fn names(spans: &[Span]) -> Vec<String> {
    spans.iter().map(|span| format!("{} {}: {}", span.trace_id, span.service, span.name)).collect()
}
