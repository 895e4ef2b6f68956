use std::time::Duration;

use anyhow::{Context as _, Result};
use events::{Pace, Relay};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::shop::{Running, SOON, Shop, pace};

/// Publishes only what it is told of.
async fn patient(shop: &Shop) -> Result<Relay> {
    shop.relay(Pace { poll: Duration::from_hours(1), ..pace() }).await
}

fn start(relay: Relay) -> Running {
    let wake = relay.wake_handle();
    let stop = CancellationToken::new();
    let mut running = Running::start(relay.run(stop.clone()), stop);
    running.wake = wake;
    running
}

async fn publishes(shop: &Shop, relay: &Running, order: &str) -> Result<()> {
    shop.place(&[order]).await?;
    relay.wake.wake();
    shop.stream_is(&[order]).await
}

#[tokio::test]
async fn what_was_committed_before_the_stop_is_published() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = start(patient(&shop).await?);
    publishes(&shop, &relay, "a").await?;
    shop.place(&["b"]).await?;
    relay.stop().await?;
    assert_eq!(crate::shop::names(&shop.stream().await?), ["a", "b"]);
    Ok(())
}

#[tokio::test]
async fn what_calls_under_way_commit_after_the_stop_is_published() -> Result<()> {
    let shop = Shop::open().await?;
    let drained = CancellationToken::new();
    let relay = start(patient(&shop).await?.until(drained.clone()));
    publishes(&shop, &relay, "a").await?;
    relay.stop.cancel();
    shop.place(&["b"]).await?;
    relay.wake.wake();
    shop.stream_is(&["a", "b"]).await?;
    shop.place(&["c"]).await?;
    drained.cancel();
    relay.stop().await?;
    assert_eq!(crate::shop::names(&shop.stream().await?), ["a", "b", "c"]);
    Ok(())
}

#[tokio::test]
async fn a_relay_without_a_broker_ends_all_the_same() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = start(patient(&shop).await?);
    publishes(&shop, &relay, "a").await?;
    shop.broker.kill().await?;
    shop.place(&["b"]).await?;
    timeout(SOON, relay.stop()).await.context("it goes on")??;
    shop.broker.start_again().await?;
    let _next = shop.start_relay(pace()).await?;
    shop.stream_is(&["a", "b"]).await
}
