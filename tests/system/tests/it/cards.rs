use anyhow::{Context, Result};
use proto::{
    order::v1::{CancelReason, OrderState, PaymentState},
    payment::v1::{FailureReason, PaymentState as Paid},
};
use system_tests::{Service, Shop};
use tonic::Code;

/// Cards that are refused, and why.
const DECLINED: [(&str, FailureReason); 8] = [
    ("tok_declined", FailureReason::CardDeclined),
    ("tok_insufficient_funds", FailureReason::InsufficientFunds),
    ("tok_expired", FailureReason::CardExpired),
    ("tok_incorrect_cvc", FailureReason::IncorrectCvc),
    ("tok_lost", FailureReason::CardLostOrStolen),
    ("tok_fraud", FailureReason::SuspectedFraud),
    ("tok_processing_error", FailureReason::ProcessingError),
    ("tok_late_decline", FailureReason::CardDeclined),
];

#[tokio::test]
async fn a_declined_card_ends_the_order_for_its_reason() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 20).await?;
    let customer = shop.customer(0).await?;
    let mut placed = Vec::new();
    for (token, failure) in DECLINED {
        let card = customer.add_card(token).await?.card_id;
        let order = customer.try_place(customer.order_by_card(&card, &[(&book, 2)])).await?.context(token)?;
        placed.push((token, failure, order.order_id));
    }

    for (token, failure, order_id) in &placed {
        let order = customer.ended(order_id).await.context(*token)?;
        assert_eq!(order.state(), OrderState::Cancelled, "{token}");
        let reason = match failure {
            FailureReason::InsufficientFunds => CancelReason::InsufficientFunds,
            _ => CancelReason::PaymentDeclined,
        };
        assert_eq!(order.cancel_reason(), reason, "{token}");
        assert_eq!(order.payment_failure_reason(), *failure, "{token}");
        let payment = customer.payment_becomes(order_id, Paid::Failed).await?;
        assert_eq!(payment.failure_reason(), *failure, "{token}");
    }
    seller.stock_becomes(&book, 20, 0).await?;
    let placed: Vec<String> = placed.into_iter().map(|(_, _, order_id)| order_id).collect();
    shop.check_orders(&placed).await
}

#[tokio::test]
async fn a_card_that_is_silent_at_first_pays_in_the_end() -> Result<()> {
    let shop = Shop::shared().await?;
    let book = shop.seller().await?.add_book(1_000, 5).await?;
    let customer = shop.customer(0).await?;
    let mut placed = Vec::new();
    for token in ["tok_timeout_then_success", "tok_late_success"] {
        let card = customer.add_card(token).await?.card_id;
        let order = customer.try_place(customer.order_by_card(&card, &[(&book, 1)])).await?.context(token)?;
        placed.push(order.order_id);
    }

    for order_id in &placed {
        let order = customer.ended(order_id).await?;
        assert_eq!((order.state(), order.payment_state()), (OrderState::Confirmed, PaymentState::Captured));
    }
    assert_eq!(customer.balance().await?, 0, "the wallet has nothing to do with it");
    shop.check_orders(&placed).await
}

#[tokio::test]
async fn a_card_that_agrees_after_the_order_was_cancelled_is_not_charged() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(0).await?;
    let mut placed = Vec::new();
    for token in ["tok_late_success", "tok_timeout_then_success"] {
        let card = customer.add_card(token).await?.card_id;
        let order = customer.try_place(customer.order_by_card(&card, &[(&book, 1)])).await?.context(token)?;
        let cancelled = customer.cancel(&order.order_id).await?;
        assert_eq!(cancelled.cancel_reason(), CancelReason::CustomerRequest);
        placed.push(order.order_id);
    }

    for order_id in &placed {
        let settled =
            testkit::eventually("nothing is charged", std::time::Duration::from_mins(1), async || {
                let payment = customer.payment(order_id).await.ok().flatten()?;
                let order = customer.order(order_id).await.ok()?;
                match (payment.state(), order.payment_state()) {
                    (Paid::Failed, PaymentState::Failed) => Some(payment.failure_reason()),
                    (Paid::Refunded, PaymentState::Refunded) => Some(FailureReason::OrderCancelled),
                    _ => None,
                }
            });
        assert_eq!(settled.await?, FailureReason::OrderCancelled);
    }
    seller.stock_becomes(&book, 5, 0).await?;
    shop.check_orders(&placed).await
}

#[tokio::test]
async fn an_order_by_another_customers_card_is_refused() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let (customer, other) = (shop.customer(0).await?, shop.customer(0).await?);
    let card = other.add_card("tok_visa").await?.card_id;

    let order = customer.try_place(customer.order_by_card(&card, &[(&book, 1)])).await??;

    let ended = customer.ended(&order.order_id).await?;
    assert_eq!(ended.cancel_reason(), CancelReason::PaymentDeclined);
    assert_eq!(ended.payment_failure_reason(), FailureReason::CardUnknown);
    seller.stock_becomes(&book, 5, 0).await?;
    shop.check_orders(&[order.order_id]).await
}

#[tokio::test]
async fn staff_give_back_a_part_and_never_more_than_was_paid() -> Result<()> {
    let shop = Shop::shared().await?;
    let (book, admin) = (shop.seller().await?.add_book(1_000, 5).await?, shop.admin().await?);
    let customer = shop.customer(3_000).await?;
    let card = customer.add_card("tok_visa").await?.card_id;
    let by_card = customer.try_place(customer.order_by_card(&card, &[(&book, 2)])).await??.order_id;
    let by_wallet = customer.place(&book, 2).await?.order_id;

    for order_id in [&by_card, &by_wallet] {
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
        let payment_id = customer.payment_becomes(order_id, Paid::Captured).await?.payment_id;
        admin.try_refund(&payment_id, 700).await??;
        let refusal = admin.try_refund(&payment_id, 1_301).await?.expect_err("more than was paid");
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        customer.refunded_becomes(order_id, 700).await?;
        let order = customer.order(order_id).await?;
        assert_eq!((order.state(), order.payment_state()), (OrderState::Confirmed, PaymentState::Captured));
    }

    assert_eq!(customer.balance().await?, 1_700, "what was paid by card goes back to the card");
    shop.check_orders(&[by_card, by_wallet]).await
}

#[tokio::test]
async fn what_a_card_takes_back_no_more_goes_into_the_wallet() -> Result<()> {
    let shop = Shop::shared().await?;
    let book = shop.seller().await?.add_book(1_000, 5).await?;
    let customer = shop.customer(0).await?;
    let card = customer.add_card("tok_refund_fails").await?.card_id;
    let order_id = customer.try_place(customer.order_by_card(&card, &[(&book, 2)])).await??.order_id;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);

    customer.cancel(&order_id).await?;

    customer.payment_becomes(&order_id, Paid::Refunded).await?;
    customer.balance_becomes(2_000).await?;
    shop.check_orders(&[order_id]).await
}

#[tokio::test]
async fn a_payment_service_that_dies_beside_the_card_gateway_charges_once() -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(1_000, 50).await?;
    let customer = shop.customer(0).await?;
    let card = customer.add_card("tok_late_success").await?.card_id;
    let mut placed = Vec::new();
    for _ in 0..3 {
        let order = customer.try_place(customer.order_by_card(&card, &[(&book, 1)])).await??;
        placed.push(order.order_id);
    }

    shop.kill(Service::Payment).await?;
    shop.start_again(Service::Payment).await?;

    for order_id in &placed {
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
    }
    shop.check(&placed).await
}
