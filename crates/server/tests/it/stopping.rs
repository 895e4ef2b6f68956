//! Stopping: nobody's call is lost.

use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use proto::order::v1::WatchOrderRequest;
use tokio::{net::TcpStream, time::Instant};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;

use crate::{
    raw,
    shop::{self, order},
};

#[tokio::test]
async fn a_call_under_way_finishes_and_a_stream_is_told_to_come_again() -> Result<()> {
    let shop = shop::start().await?;
    let mut orders = shop.orders().await?;
    let mut watcher = orders.clone();
    let mut statuses =
        watcher.watch_order(WatchOrderRequest { order_id: "any".to_owned() }).await?.into_inner();
    assert!(statuses.next().await.is_some_and(|first| first.is_ok()));
    let slow = tokio::spawn(async move { orders.get_order(order("slow")).await });
    shop.desk.begun.notified().await;

    shop.stop.cancel();

    let ended = statuses.next().await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.get_details_retry_info().is_some());
    assert!(!shop.ended.is_finished(), "stopped while a call was under way");
    shop.desk.finish.cancel();
    assert_eq!(slow.await??.into_inner().order_id, "slow");
    shop.ended.await??;
    assert!(TcpStream::connect(shop.grpc).await.is_err(), "still listens");
    Ok(())
}

#[tokio::test]
async fn calls_are_accepted_until_everybody_knows_that_it_is_not_serving() -> Result<()> {
    let shop = shop::start_with(None, |config| config.endpoint_propagation = Duration::from_secs(2)).await?;

    shop.stop.cancel();

    shop.becomes(ServingStatus::NotServing).await?;
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 503 Service Unavailable");
    let answer = shop.orders().await?.get_order(order("late")).await?;
    assert_eq!(answer.into_inner().order_id, "late");
    shop.ended.await??;
    Ok(())
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() -> Result<()> {
    let shop = shop::start_with(None, |config| config.stop_grace = Duration::from_millis(300)).await?;
    let mut orders = shop.orders().await?;
    let slow = tokio::spawn(async move { orders.get_order(order("slow")).await });
    shop.desk.begun.notified().await;

    let stopping = Instant::now();
    shop.stop.cancel();
    shop.ended.await??;

    assert!(stopping.elapsed() < Duration::from_secs(5), "took {:?}", stopping.elapsed());
    assert!(slow.await?.is_err());
    Ok(())
}

#[tokio::test]
async fn background_work_that_ends_by_itself_ends_the_process() -> Result<()> {
    let shop = shop::start().await?;

    shop.desk.give_up.cancel();

    let error = shop.ended.await?.unwrap_err();
    assert_eq!(error.to_string(), "the sweeper ended, which only a stop should make it do");
    Ok(())
}
