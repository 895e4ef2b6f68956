use std::time::Duration;

use anyhow::Result;
use futures::{FutureExt as _, StreamExt as _};
use testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::shop::{Running, SOON, Shop, pace};

#[tokio::test]
async fn a_replica_without_the_lock_stands_by_and_takes_over() -> Result<()> {
    let shop = Shop::open().await?;
    let active = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    let _standby = shop.start_relay(pace()).await?;
    let holders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(shop.number(holders).await?, 1);
    active.stop().await?;
    shop.place(&["b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    assert_eq!(shop.number(holders).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_relay_whose_session_dies_lets_go_and_another_goes_on() -> Result<()> {
    let shop = Shop::open().await?;
    let _one = shop.start_relay(pace()).await?;
    let _other = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    shop.database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE application_name = 'relay' AND datname = current_database()",
        )
        .await?;
    shop.place(&["b"]).await?;
    shop.stream_is(&["a", "b"]).await
}

#[tokio::test]
async fn a_replica_that_stands_by_passes_a_wake_up_on() -> Result<()> {
    let shop = Shop::open().await?;
    let never = events::Pace { poll: Duration::from_hours(1), ..pace() };
    let active = shop.start_relay(never).await?;
    shop.place(&["a"]).await?;
    active.wake.wake();
    shop.stream_is(&["a"]).await?;

    // Now the active relay sleeps, and only the other replica knows of the next event.
    let standby = shop.start_relay(never).await?;
    shop.place(&["b"]).await?;
    let mut wakes = shop.broker.client().await?.subscribe("bookstore.wake.order").await?;
    eventually("the wake-up is passed on", SOON, async || {
        standby.wake.wake();
        wakes.next().now_or_never()
    })
    .await?;
    shop.stream_is(&["a", "b"]).await
}

#[tokio::test]
async fn two_relays_at_once_lose_nothing_and_publish_nothing_twice() -> Result<()> {
    let shop = Shop::open().await?;
    let (one, other) = (CancellationToken::new(), CancellationToken::new());
    let _one = Running::start(shop.relay(pace()).await?.run_unlocked(one.clone()), one);
    let _other = Running::start(shop.relay(pace()).await?.run_unlocked(other.clone()), other);
    let orders: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    for chunk in orders.chunks(10) {
        shop.place(chunk).await?;
    }
    shop.number_becomes("SELECT count(*) FROM outbox WHERE stream_sequence IS NULL", 0).await?;
    let mut found = crate::shop::names(&shop.stream().await?);
    found.sort_unstable();
    assert_eq!(found, orders);
    assert!(shop.notes_are_right().await?);
    Ok(())
}
