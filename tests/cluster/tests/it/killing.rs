use anyhow::{Context as _, Result};
use cluster_tests::{Executioner, SERVICES, Shop, Traffic};

/// Calls a second.
const RATE: u32 = 200;

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_idempotent_call_fails_when_a_pod_of_each_service_is_killed() -> Result<()> {
    let shop = Shop::shared().await?;
    let executioner = Executioner::of(&shop).await?;
    let traffic = Traffic::start(&shop, RATE).await?;
    traffic.goes_on(400).await?;
    for service in SERVICES {
        let pods = shop.pods_of(service).await?;
        let pod = pods.first().context("no pod")?;
        executioner.kill(pod).await?;
        // It is found dead, and another container takes its place in the same pod.
        shop.restarted(pod).await?;
        if service != "gateway" {
            // Who was connected to that one is with the other one now, and stays there.
            shop.called(service, pod).await?;
        }
        traffic.goes_on(200).await?;
    }
    println!("{}", traffic.end().await?);
    executioner.dismiss(&shop).await?;
    shop.check().await
}
