//! Streams that the client sends.

use anyhow::Result;
use futures::{SinkExt as _, channel::mpsc};
use proto::inventory::v1::{
    ImportCatalogueRequest, ImportCatalogueResponse, inventory_service_client::InventoryServiceClient,
};
use testkit::{TestIdentity, as_user};
use tokio::{task::JoinHandle, time::timeout};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::{Clock, UserId};

use crate::shop::{self, Grounds, Running, SOON, order};

/// A catalogue of which one message has been read, and no more will come as long as the sender is there.
async fn import(
    shop: &Running,
    token: &str,
) -> Result<(mpsc::Sender<ImportCatalogueRequest>, JoinHandle<Result<ImportCatalogueResponse, Status>>)> {
    let (mut rows, feed) = mpsc::channel(1);
    rows.send(ImportCatalogueRequest::default()).await?;
    let mut inventory = InventoryServiceClient::new(shop.channel_as("gateway")?);
    let request = as_user(token, feed)?;
    let answer = tokio::spawn(async move { Ok(inventory.import_catalogue(request).await?.into_inner()) });
    timeout(SOON, shop.desk.begun.notified()).await?;
    Ok((rows, answer))
}

#[tokio::test]
async fn a_feed_is_taken_to_its_end() -> Result<()> {
    let shop = shop::start().await?;
    let (mut rows, answer) = import(&shop, &shop.identity.token(UserId::new())?).await?;

    rows.send(ImportCatalogueRequest::default()).await?;
    drop(rows);

    assert_eq!(timeout(SOON, answer).await???, ImportCatalogueResponse::default());
    shop.stopped().await
}

#[tokio::test]
async fn a_feed_ends_with_the_sign_in_of_who_sends_it_and_a_call_does_not() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let verifier = identity.verifier();
    let shop = Grounds { verifier: Some(verifier.clone()), ..Grounds::new().await? }.start(|_| {}).await?;
    shop.becomes(ServingStatus::Serving).await?;
    let token = identity.token(UserId::new())?;
    let (_rows, import) = import(&shop, &token).await?;
    let (mut orders, asked) = (shop.orders()?, as_user(&token, order("slow"))?);
    let call = tokio::spawn(async move { orders.get_order(asked).await });
    timeout(SOON, shop.desk.begun.notified()).await?;

    let now = Clock::system().now();
    let session = verifier.verify(&token, now).await?.session_id;
    verifier.revocations().revoke_session(session, now);

    let refused = timeout(SOON, import).await??.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "SESSION_REVOKED");
    shop.desk.finish.cancel();
    assert_eq!(timeout(SOON, call).await???.into_inner().order_id, "slow");
    shop.stopped().await
}

#[tokio::test]
async fn a_feed_that_waits_is_told_to_come_again_when_the_server_stops() -> Result<()> {
    let shop = shop::start().await?;
    let (_rows, import) = import(&shop, &shop.identity.token(UserId::new())?).await?;

    shop.stop.cancel();

    let refused = timeout(SOON, import).await??.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some(), "{refused:?}");
    Ok(shop.ended.await??)
}
