use anyhow::Result;
use cluster_tests::{SERVICES, Shop, Traffic};

/// Calls a second.
const RATE: u32 = 200;

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_no_order_is_lost_while_every_deployment_is_rolled() -> Result<()> {
    let shop = Shop::shared().await?;
    let traffic = Traffic::start(&shop, RATE).await?;
    traffic.goes_on(400).await?;
    let mut old = Vec::new();
    for service in SERVICES {
        old.extend(shop.restart(service).await?);
    }
    for pod in old {
        shop.gone(&pod).await?;
    }
    traffic.goes_on(400).await?;
    println!("{}", traffic.end().await?);
    shop.check().await
}
