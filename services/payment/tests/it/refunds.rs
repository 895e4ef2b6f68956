//! Orders that are cancelled get back what was captured, and are not charged afterwards.

use anyhow::{Context as _, Result};
use proto::payment::v1::{FailureReason, PaymentFailed, PaymentRefunded, PaymentState, TransferKind};
use testkit::{eventually, published};
use tonic::Code;
use values::{EventId, OrderId};

use crate::shop::{SOON, Shop, euros};

#[tokio::test]
async fn a_cancelled_order_gets_its_money_back() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;

    shop.cancel(&reader, order).await?;
    let payment = shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    assert_eq!(payment.refunded, Some(euros(10_00)));
    assert_eq!(shop.balance(&reader).await?, 50_00);
    let entry = shop.entries(&reader).await?.into_iter().next().context("no entry")?;
    assert_eq!(
        (entry.kind(), entry.amount, entry.order_id),
        (TransferKind::Refund, Some(euros(10_00)), order.to_string())
    );

    let told = eventually("payment.refunded", SOON, async || {
        published::<PaymentRefunded>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!((told.event.order_id, told.event.amount), (order.to_string(), Some(euros(10_00))));
    assert_eq!((told.aggregate_id, told.sequence), (payment.payment_id, 2));
    Ok(())
}

#[tokio::test]
async fn a_cancellation_that_is_told_twice_refunds_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;

    let event = EventId::new();
    shop.cancel_as(event, &reader, order).await?;
    shop.cancel_as(event, &reader, order).await?;
    let again = shop.cancel(&reader, order).await?;
    let last = shop.cancel(&reader, OrderId::new()).await?;
    shop.handled(&[event, again, last]).await?;

    assert_eq!(shop.balance(&reader).await?, 50_00);
    assert_eq!(shop.entries(&reader).await?.len(), 3);
    assert_eq!(shop.number("SELECT count(*) FROM outbox WHERE subject LIKE '%refunded'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_order_cancelled_before_it_is_known_is_never_charged() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = OrderId::new();
    let cancelled = shop.cancel(&reader, order).await?;
    shop.handled(&[cancelled]).await?;

    let late = EventId::new();
    shop.place_as(late, order, &reader, 10_00).await?;
    shop.handled(&[late]).await?;

    assert_eq!(shop.balance(&reader).await?, 50_00);
    let tombstone = shop.payment(&reader, order).await?;
    assert_eq!(tombstone.expect_err("a payment").code(), Code::NotFound);
    let told = eventually("payment.failed", SOON, async || {
        published::<PaymentFailed>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!(told.event.order_id, order.to_string());
    assert_eq!(told.event.reason(), FailureReason::OrderCancelled);
    assert_eq!(shop.number("SELECT count(*) FROM outbox").await?, 1, "it is told once");
    Ok(())
}

#[tokio::test]
async fn where_nothing_was_captured_nothing_is_refunded() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Failed, &reader, order).await?;
    let cancelled = shop.cancel(&reader, order).await?;
    shop.handled(&[cancelled]).await?;

    let payment = shop.payment(&reader, order).await??;
    assert_eq!((payment.state(), shop.balance(&reader).await?), (PaymentState::Failed, 0));
    Ok(())
}

#[tokio::test]
async fn orders_placed_and_cancelled_at_once_end_with_all_money_back() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let mut events = Vec::new();
    for _ in 0..40 {
        let (placed, order) = (EventId::new(), OrderId::new());
        shop.place_as(placed, order, &reader, 1_00).await?;
        events.extend([placed, shop.cancel(&reader, order).await?]);
    }
    shop.handled(&events).await?;
    assert_eq!(shop.balance(&reader).await?, 50_00);
    Ok(())
}
