use anyhow::{Result, ensure};
use cluster_tests::Shop;
use proto::order::v1::OrderState;

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_when_postgres_comes_back_and_nothing_is_lost() -> Result<()> {
    comes_back("postgres").await
}

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_when_nats_comes_back_and_nothing_is_lost() -> Result<()> {
    comes_back("nats").await
}

/// Takes the pod of a component away while a customer orders, who asks until there is an answer.
async fn comes_back(component: &str) -> Result<()> {
    let shop = Shop::shared().await?;
    let book = shop.seller().await?.add_book(100, 1_000).await?;
    let customers = shop.customers(1, 100_000).await?;
    let customer = &customers[0];
    let ordering = async {
        let mut placed = Vec::new();
        for _ in 0..40 {
            placed.push(customer.place(&book, 1).await?.order_id);
        }
        anyhow::Ok(placed)
    };
    let (placed, ()) = tokio::try_join!(ordering, shop.replace(component))?;
    let after = customer.place(&book, 1).await?.order_id;
    for order_id in placed.iter().chain([&after]) {
        let order = customer.ended(order_id).await?;
        ensure!(order.state() == OrderState::Confirmed, "{order:?}");
    }
    shop.check().await
}
