//! Orders that a card pays.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::payment::v1::{
    FailureReason, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentState, PayoutState, RefundCause,
    TransferKind,
};
use testkit::{eventually, published};
use values::{CardId, EventId, OrderId, ReturnId};

use crate::{
    cards::gateway_agrees,
    shop::{SOON, Shop, euros},
};

/// Short enough to be waited out, long enough for a gateway that answers.
const PATIENCE: Duration = Duration::from_secs(1);

const CAPTURES: &str =
    "SELECT count(*) FROM simulated_gateway.operations WHERE kind = 'CAPTURE' AND answer = 'DONE'";

#[tokio::test]
async fn a_placed_order_is_paid_by_its_card() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_visa").await??;
    let order = shop.place_by(&card.card_id, &reader, 12_34).await?;

    let payment = shop.payment_in(PaymentState::Captured, &reader, order).await?;
    assert_eq!((payment.amount, payment.card_id), (Some(euros(12_34)), card.card_id));
    assert!(shop.entries(&reader).await?.is_empty(), "the wallet has no part in it");
    let told = eventually("payment.captured", SOON, async || {
        published::<PaymentCaptured>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!((told.event.order_id, told.event.amount), (order.to_string(), Some(euros(12_34))));
    assert_eq!((told.aggregate_id, told.sequence), (payment.payment_id, 3), "pending, authorised, captured");
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn an_order_fails_for_the_reason_of_its_card() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let strangers = shop.add_card(&stranger, "tok_visa").await??.card_id;
    let mut orders = vec![
        (shop.place_by(&strangers, &reader, 1_00).await?, FailureReason::CardUnknown),
        (shop.place_by(&CardId::new().to_string(), &reader, 1_00).await?, FailureReason::CardUnknown),
    ];
    for (token, reason) in [
        ("tok_declined", FailureReason::CardDeclined),
        ("tok_insufficient_funds", FailureReason::InsufficientFunds),
        ("tok_expired", FailureReason::CardExpired),
        ("tok_incorrect_cvc", FailureReason::IncorrectCvc),
        ("tok_lost", FailureReason::CardLostOrStolen),
        ("tok_fraud", FailureReason::SuspectedFraud),
        ("tok_processing_error", FailureReason::ProcessingError),
        ("tok_late_decline", FailureReason::CardDeclined),
    ] {
        let card = shop.add_card(&reader, token).await??;
        orders.push((shop.place_by(&card.card_id, &reader, 1_00).await?, reason));
    }
    for (order, reason) in &orders {
        let payment = shop.payment_in(PaymentState::Failed, &reader, *order).await?;
        assert_eq!(payment.failure_reason(), *reason);
    }
    eventually("each failure is told", SOON, async || {
        let told = published::<PaymentFailed>(&shop.broker).await.ok()?;
        (told.len() == orders.len()).then_some(())
    })
    .await?;
    assert_eq!(shop.number(CAPTURES).await?, 0);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn an_order_is_charged_once_by_a_gateway_that_is_silent_or_late() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let _replica = shop.replica().await?;
    let reader = shop.reader()?;
    let mut orders = Vec::new();
    for token in ["tok_timeout_then_success", "tok_late_success"] {
        let card = shop.add_card(&reader, token).await??.card_id;
        let (event, order) = (EventId::new(), OrderId::new());
        shop.place_by_as(event, order, &card, &reader, 5_00).await?;
        // The same order under another event id, as after a repair by hand.
        shop.place_by_as(EventId::new(), order, &card, &reader, 5_00).await?;
        orders.push(order);
    }
    for order in orders {
        shop.payment_in(PaymentState::Captured, &reader, order).await?;
    }
    assert_eq!(shop.number(CAPTURES).await?, 2);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_cancelled_order_gets_its_money_back_on_the_card() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;

    shop.cancel(&reader, order).await?;
    let payment = shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    let refund = payment.refunds.first().context("no refund")?;
    assert_eq!((refund.cause(), refund.state()), (RefundCause::Cancelled, PayoutState::Done));
    assert_eq!((&refund.amount, &payment.refunded), (&Some(euros(10_00)), &Some(euros(10_00))));
    assert!(shop.entries(&reader).await?.is_empty());
    let told = eventually("payment.refunded", SOON, async || {
        published::<PaymentRefunded>(&shop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!((told.event.amount, told.event.refunded), (Some(euros(10_00)), Some(euros(10_00))));
    assert_eq!(told.event.user_id, reader.user.to_string());
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn what_a_card_takes_back_no_more_goes_into_the_wallet() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_refund_fails").await??.card_id;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;

    shop.cancel(&reader, order).await?;
    shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    let entry = shop.entries(&reader).await?.into_iter().next().context("no entry")?;
    assert_eq!((entry.kind(), entry.amount), (TransferKind::Refund, Some(euros(10_00))));
    assert_eq!(shop.balance(&reader).await?, 10_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn an_order_cancelled_while_the_gateway_is_silent_costs_nothing() -> Result<()> {
    for token in ["tok_late_success", "tok_timeout_then_success", "tok_late_decline"] {
        let shop = Shop::open_with_patience(PATIENCE).await?;
        let reader = shop.reader()?;
        let card = shop.add_card(&reader, token).await??.card_id;
        let order = shop.place_by(&card, &reader, 10_00).await?;
        eventually("the gateway was asked", SOON, async || {
            let asked = shop.number("SELECT count(*) FROM simulated_gateway.operations").await.ok()?;
            (asked > 0).then_some(())
        })
        .await?;
        shop.cancel(&reader, order).await?;

        let payment = shop.payment_in(PaymentState::Failed, &reader, order).await?;
        assert_eq!(payment.failure_reason(), FailureReason::OrderCancelled, "{token}");
        assert_eq!(shop.number(CAPTURES).await?, 0, "{token}");
        let promised = "SELECT count(*) FROM simulated_gateway.operations AS promised
                        WHERE kind = 'AUTHORISE' AND answer = 'DONE' AND NOT EXISTS (
                            SELECT FROM simulated_gateway.operations AS void
                            WHERE void.target = promised.id AND void.kind = 'VOID' AND void.answer = 'DONE')";
        assert_eq!(shop.number(promised).await?, 0, "{token}: a promise is left behind");
        gateway_agrees(&shop).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_cancelled_while_its_capture_is_unknown_gets_back_what_was_taken() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_success").await??.card_id;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    eventually("the capture has happened, unheard", SOON, async || {
        (shop.number(CAPTURES).await.ok()? == 1).then_some(())
    })
    .await?;
    shop.cancel(&reader, order).await?;

    let payment = shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    assert_eq!(payment.refunded, Some(euros(10_00)));
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn orders_placed_and_cancelled_at_once_leave_nothing_on_their_cards() -> Result<()> {
    let shop = Shop::open().await?;
    let _replica = shop.replica().await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    let mut orders = Vec::new();
    for number in 0..30 {
        let order = OrderId::new();
        if number % 3 == 0 {
            shop.cancel(&reader, order).await?;
        }
        shop.place_by_as(EventId::new(), order, &card, &reader, 1_00).await?;
        if number % 3 != 0 {
            shop.cancel(&reader, order).await?;
        }
        orders.push(order);
    }
    eventually("all orders have ended", SOON, async || {
        let open = "SELECT count(*) FROM payments WHERE state IN ('PENDING', 'AUTHORISED', 'CAPTURED')";
        let known = shop.number("SELECT count(*) FROM payments").await.ok()?;
        (known == 30 && shop.number(open).await.ok()? == 0).then_some(())
    })
    .await?;
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_returned_book_is_refunded_once_and_never_more_than_was_paid() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(10_00).await?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    for by_card in [false, true] {
        let order = if by_card {
            shop.place_by(&card, &reader, 10_00).await?
        } else {
            shop.place(&reader, 10_00).await?
        };
        shop.payment_in(PaymentState::Captured, &reader, order).await?;
        let (first, second) = (ReturnId::new(), ReturnId::new());
        let once = shop.returned(first, &reader, order, 4_00).await?;
        let again = shop.returned(first, &reader, order, 4_00).await?;
        shop.handled(&[once, again]).await?;
        shop.returned(second, &reader, order, 9_00).await?;

        let payment = shop.payment_in(PaymentState::Refunded, &reader, order).await?;
        let given: Vec<_> = payment.refunds.iter().filter_map(|refund| refund.amount.clone()).collect();
        assert_eq!(given, [euros(4_00), euros(6_00)]);
        assert!(payment.refunds.iter().all(|refund| refund.cause() == RefundCause::Returned));
    }
    assert_eq!(shop.balance(&reader).await?, 10_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_return_that_overtakes_the_payment_waits_for_it() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    let order = OrderId::new();
    shop.returned(ReturnId::new(), &reader, order, 4_00).await?;
    let known = shop.cancel(&reader, OrderId::new()).await?;
    shop.handled(&[known]).await?;

    shop.place_by_as(EventId::new(), order, &card, &reader, 10_00).await?;
    let refunded = eventually("the return is refunded", SOON, async || {
        let payment = shop.payment(&reader, order).await.ok()?.ok()?;
        payment.refunded.filter(|refunded| refunded.minor_units > 0)
    })
    .await?;
    assert_eq!(refunded, euros(4_00));
    Ok(())
}

#[tokio::test]
async fn what_a_replica_has_asked_and_never_heard_is_finished_by_another() -> Result<()> {
    let mut shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_success").await??.card_id;
    shop.place_by(&card, &reader, 10_00).await?;
    eventually("the card's bank has promised, unheard", SOON, async || {
        let done = "SELECT count(*) FROM simulated_gateway.operations WHERE answer = 'DONE'";
        (shop.number(done).await.ok()? == 1).then_some(())
    })
    .await?;
    shop.stop().await?;

    let _replica = shop.replica().await?;
    gateway_agrees(&shop).await?;
    assert_eq!(shop.number("SELECT count(*) FROM payments WHERE state = 'CAPTURED'").await?, 1);
    assert_eq!(shop.number(CAPTURES).await?, 1);
    Ok(())
}
