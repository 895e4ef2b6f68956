use anyhow::{Result, ensure};
use cluster_tests::{Shop, Traffic};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::{Api, ResourceExt as _, api::ListParams};
use proto::order::v1::OrderState;

/// Calls a second.
const RATE: u32 = 200;

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_release_is_changed_and_changed_back() -> Result<()> {
    let shop = Shop::shared().await?;
    let traffic = Traffic::start(&shop, RATE).await?;
    traffic.goes_on(400).await?;
    // All services at once, each of which gets a new pod template by it.
    shop.helm().upgrade(&Shop::shared_with(&["defaults.podAnnotations.changed=once"])).await?;
    shop.all_ready().await?;
    traffic.goes_on(400).await?;
    shop.helm().rollback().await?;
    shop.all_ready().await?;
    traffic.goes_on(400).await?;
    println!("{}", traffic.end().await?);
    shop.check().await
}

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sold_outlives_the_release_until_its_data_is_given_up() -> Result<()> {
    let shop = Shop::install(&["demo.enabled=false"]).await?;
    let book = shop.seller().await?.add_book(100, 10).await?;
    let customers = shop.customers(1, 1_000).await?;
    let order_id = customers[0].place(&book, 1).await?.order_id;
    customers[0].ended(&order_id).await?;

    shop.helm().uninstall().await?;
    assert!(!kept(&shop).await?.is_empty(), "the data went with the release");
    shop.helm().install(&["demo.enabled=false"]).await?;
    shop.all_ready().await?;
    // Their token is still good, too.
    let order = customers[0].ended(&order_id).await?;
    ensure!(order.state() == OrderState::Confirmed, "{order:?}");
    shop.check().await?;

    shop.helm().upgrade(&["demo.enabled=false", "keepData=false"]).await?;
    shop.helm().uninstall().await?;
    assert_eq!(kept(&shop).await?, Vec::<String>::new());
    shop.remove().await
}

/// What is left of a shop: its volumes and Secrets.
async fn kept(shop: &Shop) -> Result<Vec<String>> {
    let (cluster, namespace) = (shop.cluster(), shop.namespace());
    let claims: Api<PersistentVolumeClaim> = cluster.api(namespace);
    let secrets: Api<Secret> = cluster.api(namespace);
    let all = ListParams::default();
    let (claims, secrets) = tokio::try_join!(claims.list(&all), secrets.list(&all))?;
    // Those that are just being deleted are as good as gone.
    let claims = claims.items.into_iter().filter(|claim| claim.metadata.deletion_timestamp.is_none());
    Ok(claims
        .map(|claim| claim.name_any())
        .chain(secrets.items.iter().map(kube::ResourceExt::name_any))
        .collect())
}
