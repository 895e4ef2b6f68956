use anyhow::Result;
use cluster_tests::{Probe, Shop};
use futures::future::try_join_all;

/// What listens in the shop, and where.
const DOORS: [(&str, u16); 11] = [
    ("gateway", 8080),
    ("identity", 50051),
    ("inventory", 50051),
    ("order", 50051),
    ("payment", 50051),
    ("notification", 50051),
    ("postgres", 5432),
    ("nats", 4222),
    ("jaeger", 4317),
    ("jaeger", 16686),
    ("order-headless", 50051),
];
/// Who may go where, but for the gateway, where all may go.
const ADMITTED: [(&str, &[&str]); 3] = [
    ("order", &["identity:50051", "inventory:50051", "postgres:5432", "nats:4222", "jaeger:4317"]),
    ("payment", &["identity:50051", "postgres:5432", "nats:4222", "jaeger:4317"]),
    (
        "gateway",
        &[
            "identity:50051",
            "inventory:50051",
            "order:50051",
            "payment:50051",
            "notification:50051",
            "order-headless:50051",
            "jaeger:4317",
        ],
    ),
];

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_none_of_the_shops_reaches_the_gateway_and_nothing_else() -> Result<()> {
    let shop = Shop::shared().await?;
    let stranger = Probe::start(&shop, None).await?;
    assert_eq!(reached(&stranger).await?, ["gateway:8080"]);
    stranger.end().await
}

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_reaches_those_that_it_calls_and_no_other() -> Result<()> {
    let shop = Shop::shared().await?;
    for (service, admitted) in ADMITTED {
        let pod = Probe::start(&shop, Some(service)).await?;
        let mut reached = reached(&pod).await?;
        reached.retain(|door| door != "gateway:8080");
        let mut admitted: Vec<_> = admitted.to_vec();
        admitted.sort_unstable();
        reached.sort();
        assert_eq!(reached, admitted, "from {service}");
        pod.end().await?;
    }
    Ok(())
}

async fn reached(from: &Probe) -> Result<Vec<String>> {
    // At once: whoever is not let in hears nothing until the time is up.
    let tried = try_join_all(DOORS.map(|(host, port)| from.reaches(host, port))).await?;
    let reached = DOORS.iter().zip(tried).filter(|(_, is_reached)| *is_reached);
    Ok(reached.map(|((host, port), _)| format!("{host}:{port}")).collect())
}
