use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use anyhow::Result;
use system_tests::{Options, Shop};
use testkit::{Span, eventually};

/// What one order causes, by service and span: the calls, and the handling of each event of a confirmed order.
const CAUSED: [(&str, &str); 8] = [
    ("gateway", "bookstore.order.v1.OrderService/PlaceOrder"),
    ("order", "bookstore.order.v1.OrderService/PlaceOrder"),
    ("identity", "bookstore.identity.v1.IdentityService/BatchGetRecipients"),
    ("inventory", "bookstore.inventory.v1.InventoryService/BatchReserveStock"),
    ("inventory", "bookstore.inventory.v1.InventoryService/BatchCommitReservations"),
    ("payment", "process bookstore.order.v1.placed"),
    ("order", "process bookstore.payment.v1.captured"),
    ("notification", "process bookstore.order.v1.confirmed"),
];

#[tokio::test]
async fn what_one_order_causes_is_one_trace() -> Result<()> {
    let shop = Shop::start_with(Options { collector: true, ..Default::default() }).await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    let order_id = customer.place(&book, 1).await?.order_id;
    customer.ended(&order_id).await?;

    let collector = shop.collector()?;
    let missing = |spans: &[Span]| {
        CAUSED.into_iter().filter(|caused| spans.iter().all(|span| !is(span, *caused))).collect::<Vec<_>>()
    };
    // The trace in which the order was placed.
    let trace = || {
        let mut spans = collector.spans();
        let trace = spans.iter().find(|span| is(span, CAUSED[0])).map(|span| span.trace_id.clone());
        spans.retain(|span| Some(&span.trace_id) == trace.as_ref());
        spans
    };
    let complete = eventually("every span", Duration::from_secs(20), async || {
        let spans = trace();
        (missing(&spans).is_empty() && orphans(&spans).is_empty()).then_some(spans)
    });
    let Ok(spans) = complete.await else {
        let spans = trace();
        panic!("missing: {:?}; orphans: {:?}; of {:#?}", missing(&spans), orphans(&spans), names(&spans));
    };

    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(
        services,
        BTreeSet::from(["gateway", "identity", "inventory", "notification", "order", "payment"])
    );
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_none()).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert!(is(roots[0], CAUSED[0]), "{roots:?}");
    // Nothing comes late, in this trace or another one, without the span that caused it.
    shop.stop().await?;
    assert_eq!(orphans(&collector.spans()), Vec::<String>::new());
    // Nothing that the order caused went on in a trace of its own.
    let trace = &spans[0].trace_id;
    let strays: Vec<Span> = collector
        .spans()
        .into_iter()
        .filter(|span| CAUSED.iter().any(|caused| span.name == caused.1) && span.trace_id != *trace)
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

fn is(span: &Span, (service, name): (&str, &str)) -> bool {
    span.service == service && span.name == name
}

/// Spans whose parent nobody has seen.
fn orphans(spans: &[Span]) -> Vec<String> {
    let known: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let has_parent = |span: &&Span| span.parent.as_deref().is_none_or(|parent| known.contains(parent));
    spans
        .iter()
        .filter(|span| !has_parent(span))
        .map(|span| format!("{}: {}", span.service, span.name))
        .collect()
}

fn names(spans: &[Span]) -> Vec<String> {
    spans.iter().map(|span| format!("{} {}: {}", span.trace_id, span.service, span.name)).collect()
}
