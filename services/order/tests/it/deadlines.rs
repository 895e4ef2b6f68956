//! Payments that don't come.

use std::time::Duration;

use anyhow::Result;
use proto::order::v1::{Actor, CancelReason, OrderCancelled, OrderState, OrderStep, PaymentState};
use sea_orm::ConnectionTrait as _;
use testkit::{eventually, published};

use crate::shop::{SOON, Setup, Shop};

const BACKDATE: &str = "
    UPDATE orders SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour';
    UPDATE outbox SET created_at = created_at - interval '1 hour'";

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled() -> Result<()> {
    let shop = Shop::open_with(Setup { payment_deadline: Duration::from_millis(300), ..Setup::new().await? })
        .await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;

    let order = shop.in_state(OrderState::Cancelled, &reader, &order).await?;

    assert_eq!(order.cancel_reason(), CancelReason::PaymentTimeout);
    assert_eq!(order.payment_state(), PaymentState::Pending);
    assert_eq!(order.history.last().map(OrderStep::actor), Some(Actor::System));
    eventually("it is announced", SOON, async || {
        let cancelled = published::<OrderCancelled>(&shop.broker).await.ok()?.pop()?;
        (cancelled.event.reason() == CancelReason::PaymentTimeout).then_some(())
    })
    .await
}

#[tokio::test]
async fn two_replicas_that_sweep_cancel_each_order_once() -> Result<()> {
    let shop = Shop::open_with(Setup { payment_deadline: Duration::from_millis(300), ..Setup::new().await? })
        .await?;
    let (_other, _) = shop.replica().await?;
    let reader = shop.reader()?;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(shop.pending(&reader).await?);
    }

    for order in &orders {
        let order = shop.in_state(OrderState::Cancelled, &reader, order).await?;
        assert_eq!(order.history.len(), 2);
    }
    assert_eq!(shop.number("SELECT count(*) FROM outbox WHERE subject LIKE '%cancelled'").await?, 20);
    Ok(())
}

#[tokio::test]
async fn the_time_for_a_payment_runs_from_the_first_publication_and_not_from_the_order() -> Result<()> {
    let shop =
        Shop::open_with(Setup { payment_deadline: Duration::from_secs(2), ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    let told = shop.pending(&reader).await?;
    eventually("the first order is published", SOON, async || {
        let query = "SELECT count(*) FROM outbox WHERE first_published_at IS NOT NULL";
        (shop.number(query).await.ok()? == 1).then_some(())
    })
    .await?;

    shop.broker.stop().await?;
    let untold = shop.pending(&reader).await?;
    // As if the broker had been away for an hour.
    shop.db.execute_unprepared(BACKDATE).await?;
    // The sweep that ends the order which was published has passed over the other one.
    shop.in_state(OrderState::Cancelled, &reader, &told).await?;
    assert_eq!(shop.get(&reader, &untold.order_id).await??.state(), OrderState::Pending);

    shop.broker.start_again().await?;
    let ended = shop.in_state(OrderState::Cancelled, &reader, &untold).await?;
    assert_eq!(ended.cancel_reason(), CancelReason::PaymentTimeout);
    Ok(())
}

#[tokio::test]
async fn an_order_whose_event_has_left_the_outbox_is_overdue() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (order, other) = (shop.pending(&reader).await?, shop.pending(&reader).await?);
    let forget = format!("DELETE FROM outbox WHERE aggregate_id = '{}'", order.order_id);
    shop.db.execute_unprepared(&forget).await?;

    shop.in_state(OrderState::Cancelled, &reader, &order).await?;

    assert_eq!(shop.get(&reader, &other.order_id).await??.state(), OrderState::Pending);
    Ok(())
}
