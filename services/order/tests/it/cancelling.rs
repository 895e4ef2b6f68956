//! A customer who no longer wants it.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use proto::order::v1::{
    Actor, CancelOrderRequest, CancelReason, OrderCancelled, OrderState, OrderStep, PaymentState, StockState,
};
use testkit::{as_user, eventually, published};
use tonic::Code;
use tonic_types::StatusExt as _;
use values::OrderId;

use crate::shop::{SOON, Shop};

#[tokio::test]
async fn a_pending_order_is_cancelled_in_the_customers_words() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;

    let cancelled = shop.cancel(&reader, "cancel", &order.order_id).await??;

    assert_eq!(cancelled.state(), OrderState::Cancelled);
    assert_eq!(cancelled.cancel_reason(), CancelReason::CustomerRequest);
    assert_eq!(cancelled.stock_state(), StockState::Released);
    assert_eq!(cancelled.version, 2);
    let stored = shop.get(&reader, &order.order_id).await??;
    let step = stored.history.last().context("no history")?;
    assert_eq!((step.state(), step.actor()), (OrderState::Cancelled, Actor::Customer));
    assert_eq!(step.note, "Found it on my shelf");
    let told = eventually("it is announced", SOON, async || {
        published::<OrderCancelled>(&shop.broker).await.ok()?.pop()
    })
    .await?;
    assert_eq!((told.aggregate_id, told.sequence), (order.order_id, 2));
    let (_, reservation) = shop.inventory.reservations().pop().context("no reservation")?;
    assert_eq!(told.event.reservation_id, reservation.reservation_id);
    Ok(())
}

#[tokio::test]
async fn a_confirmed_order_is_cancelled_and_stays_paid_until_payment_says_otherwise() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.confirmed(&reader).await?;

    let cancelled = shop.cancel(&reader, "cancel", &order.order_id).await??;

    assert_eq!(cancelled.state(), OrderState::Cancelled);
    assert_eq!(cancelled.payment_state(), PaymentState::Captured);
    shop.refund(&order).await?;
    let refunded = shop.in_payment(PaymentState::Refunded, &reader, &order).await?;
    let states: Vec<_> = refunded.history.iter().map(OrderStep::state).collect();
    assert_eq!(states, [OrderState::Pending, OrderState::Confirmed, OrderState::Cancelled]);
    Ok(())
}

#[tokio::test]
async fn the_same_request_again_answers_with_the_order_and_another_is_refused() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (order, other) = (shop.pending(&reader).await?, shop.pending(&reader).await?);
    let cancelled = shop.cancel(&reader, "cancel", &order.order_id).await??;

    assert_eq!(shop.cancel(&reader, "cancel", &order.order_id).await??, cancelled);

    let reused = shop.cancel(&reader, "cancel", &other.order_id).await?.expect_err("cancelled");
    assert_eq!(reused.code(), Code::AlreadyExists);
    let request = CancelOrderRequest {
        request_id: "cancel".to_owned(),
        order_id: order.order_id.clone(),
        note: "Other words".to_owned(),
    };
    let reused = shop.client.clone().cancel_order(as_user(&reader.token, request)?).await;
    assert_eq!(reused.expect_err("cancelled").code(), Code::AlreadyExists);

    let again = shop.cancel(&reader, "again", &order.order_id).await?.expect_err("cancelled");
    assert_eq!(again.code(), Code::FailedPrecondition);
    let reason = again.get_details_error_info().context("no ErrorInfo")?.reason;
    assert_eq!(reason, "ORDER_NOT_CANCELLABLE");
    assert_eq!(shop.get(&reader, &other.order_id).await??.state(), OrderState::Pending);
    Ok(())
}

#[tokio::test]
async fn one_request_from_many_callers_cancels_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;

    let calls =
        (0..16).map(|_| async { anyhow::Ok(shop.cancel(&reader, "cancel", &order.order_id).await??) });
    let answers = try_join_all(calls).await?;

    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.get(&reader, &order.order_id).await??.history.len(), 2);
    assert_eq!(shop.number("SELECT count(*) FROM outbox WHERE subject LIKE '%cancelled'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn somebody_elses_order_does_not_exist() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let order = shop.pending(&reader).await?;

    for order_id in [order.order_id.clone(), OrderId::new().to_string()] {
        let status = shop.cancel(&stranger, "cancel", &order_id).await?.expect_err("cancelled");
        assert_eq!(status.code(), Code::NotFound);
    }
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Pending);
    Ok(())
}

#[tokio::test]
async fn a_cancellation_and_a_capture_at_once_end_in_one_of_the_two_ways() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for turn in 0..10 {
        let order = shop.pending(&reader).await?;
        let request_id = format!("cancel-{turn}");
        let (captured, cancelled) =
            tokio::try_join!(shop.capture(&order), shop.cancel(&reader, &request_id, &order.order_id))?;
        cancelled?;
        shop.handled(&[captured]).await?;

        let order = shop.in_payment(PaymentState::Captured, &reader, &order).await?;
        assert_eq!(order.state(), OrderState::Cancelled);
        assert_eq!(order.stock_state(), StockState::Released);
    }
    Ok(())
}
