use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use cluster_tests::Shop;
use proto::inventory::v1::{
    ListShopsRequest, ReleaseReservationRequest, inventory_service_client::InventoryServiceClient,
};
use testkit::{channel_as, channel_to};
use tls::{
    Files, Identity, SpiffeId,
    authority::{Authority, Issued},
};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use values::Clock;

/// Where services answer each other.
const GRPC: u16 = 50051;
/// Longer than any test.
const LIFE: Duration = Duration::from_hours(1);

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_answers_those_with_a_certificate_of_the_shop_and_no_other() -> Result<()> {
    let shop = Shop::shared().await?;
    let (inventory, _open) = shop.forward("inventory", GRPC).await?;

    let order = identity(&shop, "order").await?;
    assert!(answers(channel_as(&order, "inventory", inventory)?).await, "with order's certificate");
    let without = Endpoint::from_shared(format!("http://{inventory}"))?.connect_lazy();
    assert!(!answers(without).await, "without a certificate");

    // Each trusts the shop, and so would go on where the shop did.
    let roots = shop.secret("order-tls").await?.remove("ca.crt").context("no roots")?;
    let (ours, theirs) = (order.id(), SpiffeId::new("elsewhere.example", order.id().namespace(), "order")?);
    for (id, whose) in [(&ours, "another authority"), (&theirs, "another trust domain")] {
        let authority = Authority::generate("strangers", Clock::system().now().into(), LIFE)?;
        let issued = authority.issue(id, &["order"], Clock::system().now().into(), LIFE)?;
        let stranger = identity_of(&issued, &roots)?;
        let channel = channel_to(&stranger, &ours.sibling("inventory"), inventory)?;
        assert!(!answers(channel).await, "with a certificate of {whose}");
    }
    Ok(())
}

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_the_policy_does_not_name_is_refused() -> Result<()> {
    let shop = Shop::shared().await?;
    let (inventory, _open) = shop.forward("inventory", GRPC).await?;
    for (service, code) in [("order", Code::InvalidArgument), ("payment", Code::PermissionDenied)] {
        assert_eq!(release(&shop, service, inventory).await?, code, "{service}");
    }
    Ok(())
}

async fn answers(channel: Channel) -> bool {
    InventoryServiceClient::new(channel).list_shops(ListShopsRequest::default()).await.is_ok()
}

/// What inventory says to a service that would release a reservation without naming it.
async fn release(shop: &Shop, service: &str, inventory: SocketAddr) -> Result<Code> {
    let channel = channel_as(&identity(shop, service).await?, "inventory", inventory)?;
    let empty = ReleaseReservationRequest::default();
    let answer = InventoryServiceClient::new(channel).release_reservation(empty).await;
    Ok(answer.map_or_else(|refused| refused.code(), |_| Code::Ok))
}

/// Who a service of the shop is.
async fn identity(shop: &Shop, service: &str) -> Result<Identity> {
    let secret = shop.secret(&format!("{service}-tls")).await?;
    let part = |key: &str| secret.get(key).cloned().with_context(|| format!("no {key}"));
    let issued = Issued { certificate_pem: part("tls.crt")?, key_pem: part("tls.key")? };
    identity_of(&issued, &part("ca.crt")?)
}

fn identity_of(issued: &Issued, roots: &str) -> Result<Identity> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        anyhow::Ok(path)
    };
    Ok(Identity::load(Files {
        certificate: write("tls.crt", &issued.certificate_pem)?,
        key: write("tls.key", &issued.key_pem)?,
        roots: write("ca.crt", roots)?,
    })?)
}
