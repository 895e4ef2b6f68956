//! Payments that don't come.

use std::time::Duration;

use anyhow::Result;
use proto::order::v1::{Actor, CancelReason, Order, OrderCancelled, OrderState, OrderStep, PaymentState};
use sea_orm::ConnectionTrait as _;
use testkit::{Gate, eventually, published};
use tokio::net::TcpStream;

use crate::shop::{SOON, Setup, Shop, make_payment_stream};

/// Long enough for an answer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(8);

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
        Shop::open_with(Setup { payment_deadline: Duration::from_secs(1), ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    // Nothing is published while the test says what was.
    shop.broker.stop().await?;
    let (told, untold) = (shop.pending(&reader).await?, shop.pending(&reader).await?);
    shop.db.execute_unprepared(BACKDATE).await?;
    shop.published_first(&told, "now()").await?;
    // The broker has it in a moment, and the relay never gets to know.
    let keep_untold = format!(
        "ALTER TABLE outbox ADD CONSTRAINT untold CHECK (aggregate_id <> '{}' OR first_published_at IS NULL)",
        untold.order_id
    );
    shop.db.execute_unprepared(&keep_untold).await?;
    shop.broker.start_again().await?;

    // The sweep that ends the order which was published has passed over the other one.
    shop.in_state(OrderState::Cancelled, &reader, &told).await?;
    assert_eq!(shop.get(&reader, &untold.order_id).await??.state(), OrderState::Pending);

    shop.db.execute_unprepared("ALTER TABLE outbox DROP CONSTRAINT untold").await?;
    let ended = shop.in_state(OrderState::Cancelled, &reader, &untold).await?;
    assert_eq!(ended.cancel_reason(), CancelReason::PaymentTimeout);
    Ok(())
}

#[tokio::test]
async fn an_order_whose_event_has_left_the_outbox_is_overdue() -> Result<()> {
    let shop =
        Shop::open_with(Setup { payment_deadline: Duration::from_secs(1), ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    // Nobody is overdue while the test says who is to be.
    shop.broker.stop().await?;
    let (order, other) = (shop.pending(&reader).await?, shop.pending(&reader).await?);
    let forget = format!("DELETE FROM outbox WHERE aggregate_id = '{}'", order.order_id);
    shop.db.execute_unprepared(&forget).await?;
    shop.published_first(&other, "now() + interval '1 hour'").await?;
    shop.broker.start_again().await?;

    shop.in_state(OrderState::Cancelled, &reader, &order).await?;

    assert_eq!(shop.get(&reader, &other.order_id).await??.state(), OrderState::Pending);
    Ok(())
}

#[tokio::test]
async fn a_broker_that_is_away_for_longer_than_the_deadline_cancels_nobody() -> Result<()> {
    let shop = Shop::open_with(Setup { payment_deadline: DEADLINE, ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.published(&order).await?;

    shop.broker.stop().await?;
    shop.overdue(&order).await?;
    shop.broker.start_again().await?;
    // The service is back at the broker, and payment needs a little longer.
    let marker = shop.pending(&reader).await?;
    shop.published(&marker).await?;
    shop.capture(&order).await?;

    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    // Whoever isn't paid now that the broker is there is cancelled as ever.
    let unpaid = shop.in_state(OrderState::Cancelled, &reader, &marker).await?;
    assert_eq!(unpaid.cancel_reason(), CancelReason::PaymentTimeout);
    Ok(())
}

#[tokio::test]
async fn a_broker_that_hangs_for_longer_than_the_deadline_cancels_nobody() -> Result<()> {
    let shop = Shop::open_with(Setup { payment_deadline: DEADLINE, ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.published(&order).await?;

    shop.broker.pause().await?;
    shop.overdue(&order).await?;
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Pending);
    shop.broker.resume().await?;
    shop.capture(&order).await?;

    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    Ok(())
}

#[tokio::test]
async fn without_the_stream_that_payments_answer_in_nobody_is_overdue() -> Result<()> {
    let payment_deadline = Duration::from_secs(1);
    let shop = Shop::open_with(Setup { payment_deadline, ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    // As a broker that lost its store, before payment is back.
    shop.broker.jetstream().await?.delete_stream("PAYMENT").await?;
    let order = shop.pending(&reader).await?;

    shop.first_published(&order, "< now() - interval '3 seconds'").await?;
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Pending);

    make_payment_stream(&shop.broker).await?;
    let order = shop.in_state(OrderState::Cancelled, &reader, &order).await?;
    assert_eq!(order.cancel_reason(), CancelReason::PaymentTimeout);
    Ok(())
}

#[tokio::test]
async fn a_new_connection_counts_from_its_beginning() -> Result<()> {
    // Too seldom to notice more than that the connection is another one.
    let sweep_interval = Duration::from_millis(300);
    let setup = Setup { payment_deadline: DEADLINE, sweep_interval, ..Setup::new().await? };
    let (gate, through) = Gate::before(&setup.broker_url).await?;
    let shop = Shop::open_with(Setup { broker_url: through, ..setup }).await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.first_published(&order, &format!("< now() - interval '{} seconds'", DEADLINE.as_secs() / 2)).await?;

    gate.close();
    eventually("the door is closed", SOON, async || {
        TcpStream::connect(gate.address()).await.is_err().then_some(())
    })
    .await?;
    gate.open();
    shop.overdue(&order).await?;
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Pending);
    shop.capture(&order).await?;

    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    Ok(())
}

impl Shop {
    /// Has the time for an order's payment begin at a moment that SQL names.
    async fn published_first(&self, order: &Order, at: &str) -> Result<()> {
        let publish =
            format!("UPDATE outbox SET first_published_at = {at} WHERE aggregate_id = '{}'", order.order_id);
        self.db.execute_unprepared(&publish).await?;
        Ok(())
    }

    /// Waits until the order's payment was asked for.
    async fn published(&self, order: &Order) -> Result<()> {
        self.first_published(order, "IS NOT NULL").await
    }

    /// Waits until an order published before is beyond [`DEADLINE`], and sweeps enough have gone by.
    async fn overdue(&self, order: &Order) -> Result<()> {
        let past = format!("< now() - interval '{} seconds'", DEADLINE.as_secs() + 1);
        self.first_published(order, &past).await
    }

    async fn first_published(&self, order: &Order, when: &str) -> Result<()> {
        let query = format!(
            "SELECT count(*) FROM outbox WHERE aggregate_id = '{}' AND first_published_at {when}",
            order.order_id
        );
        eventually(&format!("it was published {when}"), SOON, async || {
            (self.number(&query).await.ok()? == 1).then_some(())
        })
        .await
    }
}
