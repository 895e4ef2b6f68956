use anyhow::{Context as _, Result};
use cluster_tests::{SERVICES, Shop};
use proto::order::v1::OrderState;
use system_tests::new_request_id;

/// Who makes whom do something, among others.
const EDGES: [(&str, &str); 5] = [
    ("gateway", "order"),
    ("order", "identity"),
    ("order", "inventory"),
    ("order", "payment"),
    ("order", "notification"),
];

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_order_is_one_trace_through_all_services_without_an_orphan() -> Result<()> {
    let shop = Shop::shared().await?;
    let book = shop.seller().await?.add_book(100, 10).await?;
    let customer = shop.customers(1, 1_000).await?.pop().context("no customer")?;
    let request = customer.request(customer.order_of(&new_request_id(), &[(&book, 1)]))?;
    let placed = customer.clients().order().place_order(request).await?;
    let told = placed.metadata().get("traceresponse").context("no trace")?.to_str()?.to_owned();
    let order_id = placed.into_inner().order_id;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);

    let id = told.split('-').nth(1).context("no id of a trace")?;
    let trace = shop.trace(id, &SERVICES).await?;
    for edge in EDGES {
        assert!(trace.edges().contains(&edge), "{edge:?} is not among {:?}", trace.edges());
    }
    println!("{} spans, {:?}", trace.spans().len(), trace.edges());
    Ok(())
}
