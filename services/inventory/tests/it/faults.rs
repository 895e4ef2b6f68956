use std::time::{Duration, Instant};

use anyhow::Result;
use inventory::Inventory;
use proto::inventory::v1::{
    ImportCatalogueRequest, ImportTarget, ListBooksRequest, import_catalogue_request::Piece,
};
use testkit::{Gate, eventually};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Bookshop, SOON, reserve, unique};

#[tokio::test]
async fn while_the_database_is_down_callers_hear_so_within_a_second_and_it_recovers_by_itself() -> Result<()>
{
    let database = testkit::database::<Inventory>().await?;
    let (gate, url) = Gate::before(database.url()).await?;
    let bookshop = Bookshop::open_on(database, &url, |_| {}).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;

    gate.close();
    let began = Instant::now();
    let reserved = reserve(&owner.client, "key", &[(&offer, 1)]).await.map(drop);
    let listed = owner.client.list_books(ListBooksRequest::default()).await.map(drop);
    let added = owner.adds(owner.emma()).await.map(drop);
    assert!(began.elapsed() < Duration::from_secs(3), "three calls took {:?}", began.elapsed());
    for refused in [reserved, listed, added] {
        let status = refused.expect_err("the database is down");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let details: Status = status;
        assert!(details.get_details_retry_info().and_then(|retry| retry.retry_delay).is_some());
    }

    gate.open();
    eventually("recovery", SOON, async || reserve(&owner.client, "key", &[(&offer, 1)]).await.ok()).await?;
    assert_eq!(owner.counts(&offer).await?, (5, 1));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn without_a_broker_everything_is_answered_and_events_follow_when_it_is_back() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    bookshop.broker.kill().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    assert!(reserve(&owner.client, &unique("key"), &[(&offer, 1)]).await.is_ok());
    bookshop.broker.start_again().await?;
    eventually("the event", SOON, async || {
        let told =
            testkit::published::<proto::inventory::v1::ShopMemberChanged>(&bookshop.broker).await.ok()?;
        told.iter().any(|told| told.event.shop_id == owner.shop.shop_id).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_feed_that_the_database_does_not_answer_ends() -> Result<()> {
    let database = testkit::database::<Inventory>().await?;
    let (gate, url) = Gate::before(database.url()).await?;
    let bookshop = Bookshop::open_on(database, &url, |_| {}).await?;
    let owner = bookshop.owner().await?;
    // On each connection of the pool, so that none is tried before it is used again.
    for _ in 0..40 {
        owner.client.clone().list_books(ListBooksRequest::default()).await?;
    }
    gate.forget();

    let target = ImportTarget { shop_id: owner.shop.shop_id.clone(), ..Default::default() };
    let feed = [ImportCatalogueRequest { piece: Some(Piece::Target(target)) }];
    let feed = owner.user.asks(tokio_stream::iter(feed))?;
    let refusal = timeout(2 * SOON, owner.client.clone().import_catalogue(feed)).await?;

    assert_eq!(refusal.expect_err("taken").code(), Code::Unavailable);
    Ok(())
}
