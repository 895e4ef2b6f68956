use anyhow::Result;
use cluster_tests::{Executioner, SERVICES, Shop, Traffic};

/// Calls a second.
const RATE: u32 = 200;

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_idempotent_call_fails_when_pods_are_killed_one_after_the_other() -> Result<()> {
    let shop = Shop::shared().await?;
    let executioner = Executioner::of(&shop).await?;
    let traffic = Traffic::start(&shop, RATE).await?;
    traffic.goes_on(400).await?;
    for service in SERVICES {
        for pod in shop.pods_of(service).await? {
            executioner.kill(&pod).await?;
            // It is found dead, and another container takes its place in the same pod.
            shop.restarted(&pod).await?;
            if service == "gateway" {
                // All who were connected to it are with the other one now, and stay there: nobody would be left.
                break;
            }
            shop.called(service, &pod).await?;
        }
        traffic.goes_on(200).await?;
    }
    println!("{}", traffic.end().await?);
    executioner.dismiss(&shop).await?;
    shop.check().await
}
