//! Events from before the first start.

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use proto::notification::v1::DeliveryState;
use testkit::Broker;
use values::OrderId;

use crate::shop::{SOON, Shop};

#[tokio::test]
async fn nobody_is_told_what_happened_before_the_first_start() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let (early, late) = (shop.reader("Ada"), shop.reader("Grace"));
    let mut before = Vec::new();
    for _ in 0..5 {
        before.push(shop.register(&early).await?);
        before.push(shop.confirm(&early, OrderId::new()).await?);
    }

    shop.start().await?;
    shop.register(&late).await?;
    shop.confirm(&late, OrderId::new()).await?;

    shop.handled(&before).await?;
    shop.letters(&late, 2).await?;
    assert_eq!(shop.deliveries(&early).await?, []);
    assert_eq!(shop.mailbox.letters().len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_happens_while_the_service_is_down_is_told_later() -> Result<()> {
    let mut shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.stop().await?;
    shop.register(&reader).await?;
    shop.confirm(&reader, OrderId::new()).await?;

    shop.start().await?;

    assert_eq!(shop.letters(&reader, 2).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn two_replicas_that_start_first_agree() -> Result<()> {
    let shop = Shop::closed().await?;
    let early = shop.reader("Ada");
    let before = shop.register(&early).await?;

    let replicas = futures::future::try_join_all([shop.replica(), shop.replica(), shop.replica()]).await?;

    let late = shop.reader("Grace");
    shop.register(&late).await?;
    shop.handled(&[before]).await?;
    shop.letters(&late, 1).await?;
    assert_eq!(shop.mailbox.letters().len(), 1);
    drop(replicas);
    Ok(())
}

/// Its places begin at 1 again, below what was noted.
#[tokio::test]
async fn a_stream_that_was_made_anew_is_after_the_first_start() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let early = shop.reader("Ada");
    let mut before = Vec::new();
    for _ in 0..5 {
        before.push(shop.confirm(&early, OrderId::new()).await?);
    }
    shop.start().await?;
    shop.handled(&before).await?;
    shop.stop().await?;
    delete_stream(&shop.broker, "ORDER").await?;
    let late = shop.reader("Grace");
    shop.confirm(&late, OrderId::new()).await?;

    shop.start().await?;

    shop.letters(&late, 1).await?;
    shop.delivery_in(DeliveryState::Sent, &late).await?;
    assert_eq!(shop.mailbox.letters().len(), 1);
    Ok(())
}

async fn delete_stream(broker: &Broker, name: &str) -> Result<()> {
    let jetstream: jetstream::Context = broker.jetstream().await?;
    jetstream.delete_stream(name).await?.success.then_some(()).context("the stream is still there")
}

#[tokio::test]
async fn the_first_start_waits_for_the_broker() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let early = shop.reader("Ada");
    let before = shop.register(&early).await?;
    shop.broker.stop().await?;
    let starting =
        testkit::starting::<notification::Notification>(shop.config.clone(), values::Clock::system()).await?;
    testkit::eventually("its tables are there", SOON, async || {
        shop.count("SELECT count(*) FROM first_start").await.ok()
    })
    .await?;
    assert!(!starting.is_ready().await);

    shop.broker.start_again().await?;
    testkit::eventually("it is ready", SOON, async || starting.is_ready().await.then_some(())).await?;

    shop.start().await?;
    let late = shop.reader("Grace");
    shop.register(&late).await?;
    shop.handled(&[before]).await?;
    shop.letters(&late, 1).await?;
    assert_eq!(shop.mailbox.letters().len(), 1);
    Ok(())
}
