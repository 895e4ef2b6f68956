//! Guards against a broker that loses what it has acknowledged.

use anyhow::Result;
use fault::Guard;
use proto::order::v1::OrderState;
use sqlx::{Connection, PgConnection};
use system_tests::{Customer, Service};
use testkit::eventually;

use super::ground::{Ground, SOON};

pub(super) const GUARDS: &[Guard] = &[Guard::ExpectedSequence, Guard::Comparison, Guard::Position];

const UNPAID: &str = "is CANCELLED; 1000 were charged, 0 refunded";

#[tokio::test]
async fn what_the_broker_has_lost_is_told_again() -> Result<()> {
    let ground = Ground::open().await?;
    let customer = ground.shop.customer(100_000).await?;

    lose_a_cancellation(&ground, &customer).await?;
    ground.is_sound().await?;

    // The relay compares when it is connected again, whatever it expects of the stream.
    ground.shop.without(Service::Order, &[Guard::ExpectedSequence]).await?;
    lose_a_cancellation(&ground, &customer).await?;
    ground.is_sound().await?;

    // A consumer looks where it stands, and so does the relay of the stream.
    stand_ahead(&ground, &customer, [&[], &[]]).await?;
    ground.is_sound().await?;
    stand_ahead(&ground, &customer, [&[], &[Guard::Position]]).await?;
    ground.is_sound().await?;
    let order_id = stand_ahead(&ground, &customer, [&[Guard::Position], &[Guard::Position]]).await?;
    // What payment hears of otherwise goes on.
    ground.confirmed(&customer).await?;
    ground.is_found("events.position, of the consumer and of the relay", &[&order_id, UNPAID]).await?;
    ground.shop.without(Service::Payment, &[]).await?;
    ground.is_sound().await?;

    ground.shop.without(Service::Order, &[Guard::ExpectedSequence, Guard::Comparison]).await?;
    let order_id = lose_a_cancellation(&ground, &customer).await?;
    let guards = "events.expected_sequence and events.comparison";
    ground.is_caught(guards, &[&order_id, UNPAID]).await
}

/// An order was paid and is cancelled; the broker has acknowledged that, told nobody who matters, and lost it.
async fn lose_a_cancellation(ground: &Ground, customer: &Customer) -> Result<String> {
    let order_id = ground.confirmed(customer).await?;
    ground.goes_all_the_way().await?;
    let hearing = [Service::Payment, Service::Inventory];
    for service in hearing {
        ground.shop.kill(service).await?;
    }
    let broker = &ground.shop.broker;
    broker.stop().await?;
    let before = broker.snapshot().await?;
    broker.start_again().await?;
    anyhow::ensure!(customer.cancel(&order_id).await?.state() == OrderState::Cancelled);
    all_published(ground).await?;
    broker.kill().await?;
    broker.restore(&before).await?;
    broker.start_again().await?;
    for service in hearing {
        ground.shop.start_again(service).await?;
    }
    Ok(order_id)
}

/// An order was paid and is cancelled; payment hears of cancellations where it believes to have heard of all that comes.
/// Order, which publishes them, and payment begin anew then, without these guards.
async fn stand_ahead(
    ground: &Ground,
    customer: &Customer,
    [of_relay, of_consumer]: [&[Guard]; 2],
) -> Result<String> {
    let order_id = ground.confirmed(customer).await?;
    ground.goes_all_the_way().await?;
    ground.shop.kill(Service::Payment).await?;
    customer.cancel(&order_id).await?;
    all_published(ground).await?;
    ground.shop.kill(Service::Order).await?;
    ground.shop.broker.put_at("ORDER", "payment_order_cancelled", 1_000_000).await?;
    ground.shop.without(Service::Order, of_relay).await?;
    ground.shop.without(Service::Payment, of_consumer).await?;
    Ok(order_id)
}

/// Waits until the broker has acknowledged all that order wrote.
async fn all_published(ground: &Ground) -> Result<()> {
    let mut order = PgConnection::connect(ground.shop.database(Service::Order)?.url()).await?;
    eventually("everything is published", SOON, async || {
        let unpublished = "SELECT count(*) FROM outbox WHERE stream_sequence IS NULL";
        let rows: i64 = sqlx::query_scalar(unpublished).fetch_one(&mut order).await.ok()?;
        (rows == 0).then_some(())
    })
    .await
}
