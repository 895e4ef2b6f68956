//! Stopping: nobody's call is lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, future::try_join_all};
use proto::order::v1::{WatchOrderRequest, order_service_client::OrderServiceClient};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use testkit::{TestIdentity, as_user, certificates, eventually};
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::UserId;

use crate::{
    handlers::SELL,
    raw,
    shop::{self, Grounds, SOON, order},
};

#[tokio::test]
async fn a_call_under_way_finishes_and_a_stream_is_told_to_come_again() -> Result<()> {
    let shop = shop::start().await?;
    let mut orders = shop.orders()?;
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
    let shop = shop::start_with(|config| config.base.endpoint_propagation = Duration::from_secs(2)).await?;

    shop.stop.cancel();

    shop.becomes(ServingStatus::NotServing).await?;
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 503 Service Unavailable");
    let answer = shop.orders()?.get_order(order("late")).await?;
    assert_eq!(answer.into_inner().order_id, "late");
    shop.ended.await??;
    Ok(())
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() -> Result<()> {
    let shop = shop::start_with(|config| config.base.stop_grace = Duration::from_millis(300)).await?;
    let mut orders = shop.orders()?;
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

/// Commits an event and waits until the broker has it.
async fn sell(db: &DatabaseConnection) -> Result<()> {
    db.execute_unprepared(SELL).await?;
    let unpublished = "SELECT count(*) FROM outbox WHERE first_published_at IS NULL";
    eventually("the sale is published", SOON, async || {
        let count = Statement::from_string(DbBackend::Postgres, unpublished);
        let count: i64 = db.query_one_raw(count).await.ok()??.try_get_by_index(0).ok()?;
        (count == 0).then_some(())
    })
    .await
}

#[tokio::test]
async fn what_is_committed_while_calls_drain_is_published_before_the_end() -> Result<()> {
    let shop = shop::start().await?;
    let db = shop.database.connect().await?;
    let last_turn = CancellationToken::new();
    shop.desk.sells_last.set(last_turn.clone()).unwrap();
    let mut orders = shop.orders()?;
    let sale = tokio::spawn(async move { orders.get_order(order("sell")).await });
    shop.desk.begun.notified().await;

    shop.stop.cancel();
    shop.becomes_deaf().await?;
    // More than one: a relay that was told to end may still publish what it finds at its last look.
    for _ in 0..2 {
        sell(&db).await?;
    }
    shop.desk.finish.cancel();
    sale.await??;
    // No call is left, only the sweeper.
    sell(&db).await?;
    sell(&db).await?;
    last_turn.cancel();

    shop.ended.await??;
    let mut stream = shop.broker.jetstream().await?.get_stream("SHOP").await?;
    assert_eq!(stream.info().await?.state.messages, 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_mesh_loses_no_call_to_a_replica_that_stops() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let token = identity.token(UserId::new())?;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let grounds = Grounds { verifier: Some(identity.verifier()), ..Grounds::new().await? };
        let replica =
            grounds.start(|config| config.base.endpoint_propagation = Duration::from_millis(300)).await?;
        replica.becomes(ServingStatus::Serving).await?;
        replicas.push(replica);
    }
    let target = format!("ipv4:{},{}", replicas[0].grpc, replicas[1].grpc).parse()?;
    let as_gateway = certificates()?.identity("gateway")?;
    let client = mesh::Client::new("shop", &target, mesh::Policy::default(), Some(&as_gateway));
    let client = OrderServiceClient::new(client);
    let enough = CancellationToken::new();

    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (mut client, token, enough) = (client.clone(), token.clone(), enough.clone());
            tokio::spawn(async move {
                let mut answered = 0_usize;
                while !enough.is_cancelled() {
                    client.get_order(as_user(&token, order("any"))?).await?;
                    answered += 1;
                }
                anyhow::Ok(answered)
            })
        })
        .collect();
    let stopping = replicas.pop().context("no replica")?;
    stopping.stopped().await?;
    enough.cancel();

    for answered in try_join_all(callers).await? {
        assert!(answered? > 0);
    }
    replicas.pop().context("no replica")?.stopped().await
}
