//! Orders that are placed are charged.

use anyhow::{Context as _, Result};
use proto::{
    order::v1::{OrderPlaced, PaymentMethod},
    payment::v1::{
        FailureReason, GetPaymentRequest, PaymentCaptured, PaymentFailed, PaymentState, TransferKind,
        get_payment_request::Payment as Asked,
    },
};
use testkit::{as_user, eventually, published};
use tonic::Code;
use values::{EventId, OrderId};

use crate::shop::{SOON, Shop, euros};

#[tokio::test]
async fn a_placed_order_is_paid_from_the_wallet() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = shop.place(&reader, 12_34).await?;

    let payment = shop.payment_in(PaymentState::Captured, &reader, order).await?;
    assert_eq!((&payment.amount, &payment.refunded), (&Some(euros(12_34)), &Some(euros(0))));
    assert_eq!(shop.balance(&reader).await?, 37_66);
    let entry = shop.entries(&reader).await?.into_iter().next().context("no entry")?;
    assert_eq!(
        (entry.kind(), entry.amount, entry.order_id),
        (TransferKind::Capture, Some(euros(-12_34)), order.to_string())
    );

    let told = eventually("payment.captured", SOON, async || {
        published::<PaymentCaptured>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!(told.event.order_id, order.to_string());
    assert_eq!(told.event.amount, Some(euros(12_34)));
    assert_eq!((told.aggregate_id, told.sequence), (payment.payment_id, 1));
    Ok(())
}

#[tokio::test]
async fn a_wallet_that_holds_too_little_pays_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(10_00).await?;
    let order = shop.place(&reader, 10_01).await?;

    let payment = shop.payment_in(PaymentState::Failed, &reader, order).await?;
    assert_eq!(payment.failure_reason(), FailureReason::InsufficientFunds);
    assert_eq!(shop.balance(&reader).await?, 10_00);

    let told = eventually("payment.failed", SOON, async || {
        published::<PaymentFailed>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!(told.event.order_id, order.to_string());
    assert_eq!(told.event.reason(), FailureReason::InsufficientFunds);
    Ok(())
}

#[tokio::test]
async fn a_reader_who_never_had_a_wallet_can_not_pay() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.place(&reader, 1).await?;
    let payment = shop.payment_in(PaymentState::Failed, &reader, order).await?;
    assert_eq!(payment.failure_reason(), FailureReason::InsufficientFunds);
    Ok(())
}

#[tokio::test]
async fn many_orders_at_once_never_overdraw_a_wallet() -> Result<()> {
    let shop = Shop::open().await?;
    let _replica = shop.replica().await?;
    let reader = shop.reader_with(20_00).await?;
    let mut orders = Vec::new();
    for _ in 0..100 {
        orders.push(shop.place(&reader, 1_00).await?);
    }
    let mut captured = 0;
    for order in orders {
        let payment =
            eventually("the order is settled", SOON, async || shop.payment(&reader, order).await.ok()?.ok())
                .await?;
        captured += i32::from(payment.state() == PaymentState::Captured);
    }
    assert_eq!(captured, 20);
    assert_eq!(shop.balance(&reader).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_told_of_twice_is_charged_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let (event, order) = (EventId::new(), OrderId::new());
    shop.place_as(event, order, &reader, 10_00).await?;
    shop.place_as(event, order, &reader, 10_00).await?;
    // The same order under another event id, as after a repair by hand.
    shop.place_as(EventId::new(), order, &reader, 10_00).await?;
    let last = shop.place(&reader, 1_00).await?;

    shop.payment_in(PaymentState::Captured, &reader, last).await?;
    assert_eq!(shop.balance(&reader).await?, 39_00);
    Ok(())
}

#[tokio::test]
async fn a_payment_is_found_by_either_id_and_only_by_its_customer() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader_with(50_00).await?, shop.reader()?);
    let order = shop.place(&reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Captured, &reader, order).await?;

    let by_id = || GetPaymentRequest { payment: Some(Asked::PaymentId(payment.payment_id.clone())) };
    let found = shop.client.clone().get_payment(as_user(&reader.token, by_id())?).await?.into_inner();
    assert_eq!(found, payment);

    let refused = shop.client.clone().get_payment(as_user(&stranger.token, by_id())?).await;
    assert_eq!(refused.expect_err("a payment").code(), Code::NotFound);
    let refused = shop.payment(&stranger, order).await?;
    assert_eq!(refused.expect_err("a payment").code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn an_order_that_makes_no_sense_becomes_a_dead_letter_and_holds_nobody_up() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let sound = OrderPlaced {
        order_id: OrderId::new().to_string(),
        user_id: reader.user.to_string(),
        total: Some(euros(1_00)),
        payment_method: PaymentMethod::Wallet.into(),
        card_id: String::new(),
    };
    let senseless = [
        OrderPlaced { order_id: "ord_x".to_owned(), ..sound.clone() },
        OrderPlaced { user_id: String::new(), ..sound.clone() },
        OrderPlaced { total: None, ..sound.clone() },
        OrderPlaced { total: Some(euros(0)), ..sound.clone() },
        OrderPlaced { payment_method: 99, ..sound },
    ];
    for event in &senseless {
        testkit::publish(&shop.broker, "ord", 1, event).await?;
    }
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    eventually("dead letters", SOON, async || {
        let buried =
            shop.number("SELECT count(*) FROM dead_letters WHERE consumer = 'payment_order_placed'").await;
        (buried.ok()? == 5).then_some(())
    })
    .await?;
    assert_eq!(shop.balance(&reader).await?, 40_00);
    Ok(())
}
