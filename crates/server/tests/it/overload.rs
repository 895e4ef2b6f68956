//! More calls than can be answered, and connections that get old.

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt as _, future::try_join_all};
use proto::order::v1::{WatchOrderRequest, order_service_client::OrderServiceClient};
use testkit::{as_user, certificates, mesh_client};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::UserId;

use crate::{
    raw,
    shop::{self, SOON, order},
};

fn is_overloaded(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status.get_details_error_info().is_some_and(|info| info.reason == "OVERLOADED")
        && status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some())
}

fn any_order() -> WatchOrderRequest {
    WatchOrderRequest { order_id: "any".to_owned() }
}

#[tokio::test]
async fn what_is_too_much_is_refused_at_once_and_the_rest_is_answered() -> Result<()> {
    let shop = shop::start_with(|config| config.base.max_concurrent_calls = 1).await?;
    let mut orders = shop.orders()?;
    let mut neighbour = orders.clone();
    let neighbours = tokio::spawn(async move { neighbour.get_order(order("slow")).await });
    shop.desk.begun.notified().await;

    let begun = Instant::now();
    for _ in 0..100 {
        let refused = orders.get_order(order("too much")).await.unwrap_err();
        assert!(is_overloaded(&refused), "{refused}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    assert_eq!(shop.health("").await?, ServingStatus::Serving, "health is always answered");

    shop.desk.finish.cancel();
    assert_eq!(neighbours.await??.into_inner().order_id, "slow");
    assert_eq!(orders.get_order(order("next")).await?.into_inner().order_id, "next");
    shop.stopped().await
}

#[tokio::test]
async fn open_streams_leave_room_for_calls_and_are_limited_too() -> Result<()> {
    let shop = shop::start_with(|config| config.base.max_concurrent_calls = 1).await?;
    let mut orders = shop.orders()?;
    let mut watched = Vec::new();
    for _ in 0..8 {
        watched.push(orders.watch_order(any_order()).await?.into_inner());
    }

    assert_eq!(orders.get_order(order("any")).await?.into_inner().order_id, "any");
    let refused = orders.watch_order(any_order()).await.unwrap_err();
    assert!(is_overloaded(&refused), "{refused}");

    watched.clear();
    testkit::eventually("room for a stream", SOON, async || {
        orders.clone().watch_order(any_order()).await.ok()
    })
    .await?;
    shop.stopped().await
}

/// Until a connection of the raw kind, on which nothing is asked, is closed by the shop.
async fn lifetime(shop: &shop::Running) -> Result<Duration> {
    let stream = raw::connect(shop.grpc, &certificates()?.identity("gateway")?).await?;
    let begun = Instant::now();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (_sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, tonic::body::Body>(executor, io).await?;
    timeout(SOON, connection).await??;
    Ok(begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_mesh_loses_no_call_to_connections_that_get_old() -> Result<()> {
    let shop = shop::start_with(|config| config.base.max_connection_age = Duration::from_secs(1)).await?;
    let client = OrderServiceClient::new(mesh_client("gateway", "shop", shop.grpc)?);
    let token = shop.identity.token(UserId::new())?;

    let until = Instant::now() + Duration::from_secs(5);
    let callers = (0..16).map(|_| {
        let (mut client, token) = (client.clone(), token.clone());
        tokio::spawn(async move {
            let mut answered = 0;
            while Instant::now() < until {
                client.get_order(as_user(&token, order("any"))?).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        })
    });
    let (answered, age) = tokio::join!(try_join_all(callers), lifetime(&shop));

    for answered in answered? {
        assert!(answered? > 0);
    }
    let age = age?;
    assert!(age > Duration::from_millis(850), "lived for {age:?}");
    assert!(age < Duration::from_secs(3), "took {age:?} to end");
    shop.stopped().await
}

#[tokio::test]
async fn a_stream_on_a_connection_that_is_too_old_is_told_to_come_again() -> Result<()> {
    let shop = shop::start_with(|config| {
        config.base.max_connection_age = Duration::from_secs(1);
        config.base.max_connection_age_grace = Duration::from_millis(500);
    })
    .await?;
    let begun = Instant::now();
    let mut statuses = shop.orders()?.watch_order(any_order()).await?.into_inner();
    assert!(statuses.next().await.is_some_and(|first| first.is_ok()));

    let ended = timeout(SOON, statuses.next()).await?.unwrap().unwrap_err();

    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.get_details_retry_info().is_some());
    assert!(begun.elapsed() >= Duration::from_millis(1300), "cut short: {:?}", begun.elapsed());
    assert!(shop.orders()?.watch_order(any_order()).await.is_ok());
    shop.stopped().await
}
