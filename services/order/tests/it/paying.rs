//! What payments tell, in whatever order they tell it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::{
    inventory::v1::ReservationState,
    order::v1::{
        Actor, CancelReason, Order, OrderCancelled, OrderConfirmed, OrderState, PaymentState, StockState,
    },
    payment::v1::FailureReason,
};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use testkit::{eventually, published};
use tonic::Status;
use values::{EventId, OrderId};

use crate::{
    inventory::Behaviour,
    shop::{SOON, Setup, Shop},
};

#[tokio::test]
async fn a_paid_order_gets_its_stock_and_is_confirmed() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;

    let order = shop.confirmed(&reader).await?;

    assert_eq!(order.payment_state(), PaymentState::Captured);
    assert_eq!(order.stock_state(), StockState::Committed);
    assert_eq!(order.version, 2);
    let steps: Vec<_> = order.history.iter().map(|step| (step.state(), step.actor())).collect();
    assert_eq!(steps, [(OrderState::Pending, Actor::Customer), (OrderState::Confirmed, Actor::System)]);
    let (_, reservation) = shop.inventory.reservations().pop().context("no reservation")?;
    assert_eq!(reservation.state(), ReservationState::Committed);
    let confirmed = eventually("it is announced", SOON, async || {
        published::<OrderConfirmed>(&shop.broker).await.ok()?.pop()
    })
    .await?;
    assert_eq!((confirmed.aggregate_id, confirmed.sequence), (order.order_id, 2));
    assert_eq!(confirmed.event.user_id, reader.user.to_string());
    Ok(())
}

#[tokio::test]
async fn a_capture_while_inventory_is_silent_ends_the_time_limit_and_is_committed_later() -> Result<()> {
    let shop =
        Shop::open_with(Setup { payment_deadline: Duration::from_secs(3), ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    for silence in [Behaviour::Hangs, Behaviour::Fails(Status::unavailable("restarting"))] {
        shop.inventory.on_commit(silence);
        let order = shop.pending(&reader).await?;
        shop.capture(&order).await?;
        let paid = shop.in_payment(PaymentState::Captured, &reader, &order).await?;
        assert_eq!(paid.state(), OrderState::Pending);

        // Placed later, so that the sweep which ends it has passed over the paid one.
        let unpaid = shop.pending(&reader).await?;
        shop.in_state(OrderState::Cancelled, &reader, &unpaid).await?;
        assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Pending);

        shop.inventory.on_commit(Behaviour::Answers);
        let order = shop.in_state(OrderState::Confirmed, &reader, &order).await?;
        assert_eq!(order.stock_state(), StockState::Committed);
    }
    Ok(())
}

#[tokio::test]
async fn inventory_is_told_how_long_a_captured_payment_waits_for_it() -> Result<()> {
    // Nothing but the event asks.
    let sweep_interval = Duration::from_hours(1);
    let shop = Shop::open_with(Setup { sweep_interval, ..Setup::new().await? }).await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;

    shop.capture(&order).await?;
    let told = eventually("it is asked", SOON, async || shop.inventory.commit_timeouts().pop()).await?;

    let micros: u32 = told.strip_suffix('u').with_context(|| told.clone())?.parse()?;
    assert!(micros <= 500_000, "{told}");
    Ok(())
}

#[tokio::test]
async fn stock_that_was_lost_before_the_payment_cancels_the_order() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for state in [ReservationState::Expired, ReservationState::Released] {
        let order = shop.pending(&reader).await?;
        shop.inventory.bring_all_to(state);
        shop.capture(&order).await?;

        let order = shop.in_state(OrderState::Cancelled, &reader, &order).await?;

        assert_eq!(order.cancel_reason(), CancelReason::StockLost);
        assert_eq!(order.payment_state(), PaymentState::Captured);
        assert_eq!(order.stock_state(), StockState::Released);
        let step = order.history.last().context("no history")?;
        assert_eq!((step.cancel_reason(), step.actor()), (CancelReason::StockLost, Actor::System));
        let cancelled = eventually("it is announced", SOON, async || {
            let cancelled = published::<OrderCancelled>(&shop.broker).await.ok()?;
            cancelled.into_iter().find(|cancelled| cancelled.aggregate_id == order.order_id)
        })
        .await?;
        assert_eq!(cancelled.event.reason(), CancelReason::StockLost);
        let reserved = shop.inventory.reservations();
        assert!(reserved.iter().any(|(_, it)| it.reservation_id == cancelled.event.reservation_id));
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_payment_cancels_the_order_and_says_why() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for (failure, reason) in [
        (FailureReason::InsufficientFunds, CancelReason::InsufficientFunds),
        (FailureReason::WalletClosed, CancelReason::PaymentDeclined),
        (FailureReason::Unspecified, CancelReason::PaymentDeclined),
    ] {
        let order = shop.pending(&reader).await?;
        shop.fail(&order, failure).await?;

        let order = shop.in_state(OrderState::Cancelled, &reader, &order).await?;

        assert_eq!(order.cancel_reason(), reason);
        assert_eq!(order.payment_state(), PaymentState::Failed);
        assert_eq!(order.stock_state(), StockState::Released);
    }
    assert_eq!(shop.inventory.commit_calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_refused_card_says_why() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for (failure, reason) in [
        (FailureReason::CardDeclined, CancelReason::PaymentDeclined),
        (FailureReason::CardExpired, CancelReason::PaymentDeclined),
        (FailureReason::IncorrectCvc, CancelReason::PaymentDeclined),
        (FailureReason::CardLostOrStolen, CancelReason::PaymentDeclined),
        (FailureReason::SuspectedFraud, CancelReason::PaymentDeclined),
        (FailureReason::ProcessingError, CancelReason::PaymentDeclined),
        (FailureReason::CardUnknown, CancelReason::PaymentDeclined),
        (FailureReason::InsufficientFunds, CancelReason::InsufficientFunds),
    ] {
        let order = shop.pending(&reader).await?;
        shop.fail(&order, failure).await?;
        let order = shop.in_state(OrderState::Cancelled, &reader, &order).await?;
        assert_eq!((order.cancel_reason(), order.payment_failure_reason()), (reason, failure));
    }
    Ok(())
}

#[tokio::test]
async fn that_nothing_was_taken_for_a_cancelled_order_is_noted() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.cancel(&reader, "cancel", &order.order_id).await??;

    shop.fail(&order, FailureReason::OrderCancelled).await?;

    let order = shop.in_payment(PaymentState::Failed, &reader, &order).await?;
    assert_eq!(order.cancel_reason(), CancelReason::CustomerRequest);
    assert_eq!((order.history.len(), order.version), (2, 3));
    Ok(())
}

#[tokio::test]
async fn what_is_given_back_in_parts_adds_up_in_whatever_order_it_is_told() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.confirmed(&reader).await?;
    let total = order.total.as_ref().context("no total")?.minor_units;
    let refunded = |order: &Order| order.refunded.as_ref().map(|refunded| refunded.minor_units);
    assert_eq!(refunded(&order), Some(0));

    shop.refund_up_to(&order, 7_00).await?;
    shop.until("it is noted", &reader, &order, |order| refunded(order) == Some(7_00)).await?;
    let late = shop.refund_up_to(&order, 5_00).await?;
    shop.handled(&[late]).await?;
    let part = shop.get(&reader, &order.order_id).await??;
    assert_eq!((refunded(&part), part.payment_state()), (Some(7_00), PaymentState::Captured));

    shop.refund(&order).await?;
    let whole = shop.in_payment(PaymentState::Refunded, &reader, &order).await?;
    assert_eq!((refunded(&whole), whole.state()), (Some(total), OrderState::Confirmed));
    Ok(())
}

#[tokio::test]
async fn a_capture_after_the_cancellation_is_noted_and_takes_no_stock() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.cancel(&reader, "cancel", &order.order_id).await??;

    shop.capture(&order).await?;
    let order = shop.in_payment(PaymentState::Captured, &reader, &order).await?;

    assert_eq!(order.state(), OrderState::Cancelled);
    assert_eq!(order.cancel_reason(), CancelReason::CustomerRequest);
    assert_eq!(order.history.len(), 2);
    assert_eq!(shop.inventory.commit_calls(), 0);

    shop.refund(&order).await?;
    let order = shop.in_payment(PaymentState::Refunded, &reader, &order).await?;
    assert_eq!(order.state(), OrderState::Cancelled);
    Ok(())
}

#[tokio::test]
async fn a_refund_told_before_its_capture_is_the_last_word() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.cancel(&reader, "cancel", &order.order_id).await??;

    shop.refund(&order).await?;
    shop.in_payment(PaymentState::Refunded, &reader, &order).await?;
    let late = shop.capture(&order).await?;
    shop.handled(&[late]).await?;

    let order = shop.get(&reader, &order.order_id).await??;
    assert_eq!(order.payment_state(), PaymentState::Refunded);
    assert_eq!(order.state(), OrderState::Cancelled);
    Ok(())
}

#[tokio::test]
async fn an_event_that_comes_twice_and_a_second_capture_change_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    let event = shop.capture(&order).await?;
    let confirmed = shop.in_state(OrderState::Confirmed, &reader, &order).await?;

    shop.capture_as(event, &order.order_id).await?;
    let second = shop.capture(&order).await?;
    let failed = shop.fail(&order, FailureReason::InsufficientFunds).await?;
    shop.handled(&[second, failed]).await?;

    assert_eq!(shop.get(&reader, &order.order_id).await??, confirmed);
    assert_eq!(shop.number("SELECT count(*) FROM dead_letters").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_capture_of_an_order_that_is_not_known_yet_waits_for_it() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let known = shop.pending(&reader).await?;
    let early = OrderId::new();
    shop.capture_as(EventId::new(), &early.to_string()).await?;
    // Behind it in the stream, so that the early one has been looked at.
    shop.capture(&known).await?;
    shop.in_state(OrderState::Confirmed, &reader, &known).await?;

    let copy = "INSERT INTO orders
        SELECT $1, user_id, 'copy', request_fingerprint, 'PENDING', NULL, payment_method, 'PENDING', 'RESERVED',
               reservation_id, currency, total, lines, shipping_address, placed_event
        FROM orders";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, copy, [early.uuid().into()]);
    shop.db.execute_raw(statement).await?;

    eventually("it is confirmed", SOON, async || {
        let order = shop.get(&reader, &early.to_string()).await.ok()?.ok()?;
        (order.state() == OrderState::Confirmed).then_some(())
    })
    .await?;
    assert_eq!(shop.number("SELECT count(*) FROM dead_letters").await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_event_about_nothing_that_can_be_an_order_is_a_dead_letter() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;

    shop.capture_as(EventId::new(), "ord_nonsense").await?;
    shop.capture(&order).await?;

    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    eventually("the dead letter", SOON, async || {
        (shop.number("SELECT count(*) FROM dead_letters").await.ok()? == 1).then_some(())
    })
    .await
}

#[tokio::test]
async fn orders_paid_while_a_neighbours_commit_hangs_are_confirmed_all_the_same() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(shop.pending(&reader).await?);
    }
    shop.inventory.on_commit(Behaviour::Hangs);
    shop.capture(&orders[0]).await?;
    eventually("the commit hangs", SOON, async || (shop.inventory.commit_calls() > 0).then_some(())).await?;
    shop.inventory.on_commit(Behaviour::Answers);

    for order in &orders[1..] {
        shop.capture(order).await?;
    }
    for order in &orders {
        shop.in_state(OrderState::Confirmed, &reader, order).await?;
    }
    Ok(())
}
