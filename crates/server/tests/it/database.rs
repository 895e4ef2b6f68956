//! The database, down for a while.

use std::time::Duration;

use anyhow::Result;
use futures::{FutureExt as _, future::try_join_all};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use server::database::sql;
use testkit::{Gate, eventually};
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;

use crate::{
    raw,
    shop::{Grounds, SOON, order},
};

#[tokio::test]
async fn while_the_database_is_down_calls_are_unavailable_within_a_second() -> Result<()> {
    let grounds = Grounds::new().await?;
    let (gate, url) = Gate::before(grounds.database.url()).await?;
    let shop = grounds.start(|config| config.database_url = url.into()).await?;
    shop.becomes(ServingStatus::Serving).await?;
    let mut orders = shop.orders()?;
    orders.get_order(order("count")).await?;

    let down: [fn(&Gate); 2] = [Gate::close, Gate::stall];
    for take_down in down {
        take_down(&gate);
        let begun = Instant::now();
        let refused = orders.get_order(order("count")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
        assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
        assert_eq!(orders.get_order(order("any")).await?.into_inner().order_id, "any", "needs no database");

        gate.open();
        eventually("calls succeed again", SOON, async || orders.clone().get_order(order("count")).await.ok())
            .await?;
    }
    shop.stopped().await
}

/// Longer than callers of a database that is down wait for their refusal.
const BUSY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn who_waits_while_all_connections_are_in_use_is_not_refused() -> Result<()> {
    let grounds = Grounds::new().await?;
    let others = grounds.database.connect().await?;
    let shop = grounds.start(|config| config.database_pool = 1).await?;
    shop.becomes(ServingStatus::Serving).await?;
    let holding = others.begin().await?;
    holding.execute_unprepared("LOCK TABLE visits").await?;

    let orders = shop.orders()?;
    let calls = (0..8).map(|_| {
        let mut orders = orders.clone();
        async move { orders.get_order(order("count")).await }
    });
    let calls = try_join_all(calls);
    tokio::pin!(calls);
    if let Ok(answers) = timeout(BUSY, &mut calls).await {
        answers?;
        panic!("answered while nothing could be read");
    }
    holding.commit().await?;
    calls.await?;
    shop.stopped().await
}

#[tokio::test]
async fn a_service_whose_database_is_down_at_its_start_waits_for_it() -> Result<()> {
    let grounds = Grounds::new().await?;
    let (gate, url) = Gate::before(grounds.database.url()).await?;
    gate.close();
    let shop = grounds.start(|config| config.database_url = url.into()).await?;

    shop.becomes(ServingStatus::NotServing).await?;
    assert_eq!(raw::get(shop.admin, "/livez").await?.0, "HTTP/1.1 200 OK");
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 503 Service Unavailable");
    let refused = shop.orders()?.get_order(order("any")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());

    gate.open();
    shop.becomes(ServingStatus::Serving).await?;
    shop.orders()?.get_order(order("count")).await?;
    shop.stopped().await
}

#[tokio::test]
async fn a_service_that_still_waits_for_its_database_can_be_stopped() -> Result<()> {
    let grounds = Grounds::new().await?;
    let (gate, url) = Gate::before(grounds.database.url()).await?;
    gate.stall();
    let shop = grounds.start(|config| config.database_url = url.into()).await?;
    shop.becomes(ServingStatus::NotServing).await?;

    let begun = Instant::now();
    shop.stopped().await?;
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    Ok(())
}

/// How long an answer takes while somebody gives up waiting for it.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn who_gives_up_a_transaction_while_it_begins_leaves_none_to_the_next() -> Result<()> {
    let database = testkit::empty_database().await?;
    database.execute("CREATE TABLE notes (number int)").await?;
    let others = database.connect().await?;
    let (gate, url) = Gate::before(database.url()).await?;
    // One connection, so that the next one gets that which was given back.
    let (db, _) = server::database::connect(&url.into(), "test", 1).await?;
    db.ping().await?;
    gate.delay(ON_ITS_WAY);

    for number in 0..3 {
        let pool = db.get_postgres_connection_pool();
        eventually("the connection is back", SOON, async || (pool.num_idle() == 1).then_some(())).await?;
        assert!(db.begin().now_or_never().is_none(), "it has begun already");

        db.execute_raw(sql("INSERT INTO notes VALUES ($1)", [number.into()])).await?;
        let read = sql("SELECT number FROM notes WHERE number = $1", [number.into()]);
        assert!(others.query_one_raw(read).await?.is_some(), "note {number} was answered and is not there");
    }
    Ok(())
}
