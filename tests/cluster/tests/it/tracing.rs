use anyhow::{Context as _, Result};
use cluster_tests::Shop;
use proto::order::v1::OrderState;

/// What a customer asks for.
const PLACED: &str = "bookstore.order.v1.OrderService/PlaceOrder";
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
    let order = customer.place(&book, 1).await?;
    assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);

    // By the cluster's clock. To register takes longer than a second: no other test's order is found.
    let placed = order.create_time.context("no time")?.seconds;
    let trace = shop.trace("gateway", PLACED, placed - 1, &EDGES).await?;
    println!("{} spans, {:?}", trace.spans().len(), trace.edges());
    Ok(())
}
