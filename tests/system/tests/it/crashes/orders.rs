//! What orders go through.

use anyhow::{Context, Result};
use proto::{
    order::v1::{
        CancelOrderRequest, CancelReason, GetOrderRequest, OrderItem, OrderState, PaymentState,
        RequestReturnRequest, ResolveReturnRequest, ReturnState,
    },
    payment::v1::RefundPaymentRequest,
};
use system_tests::{Customer, Service, euros, new_request_id};
use testkit::eventually;

use super::scene::{PRICE, SOON, Scene, becomes, ended, told};

/// Paid from the wallet, sent, returned in part.
pub(crate) async fn is_returned(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(3 * PRICE).await?;
    let order_id = scene.confirmed(&customer, 2).await?;
    scene.ship(&order_id).await?;
    let request = RequestReturnRequest {
        request_id: new_request_id(),
        order_id: order_id.clone(),
        items: vec![OrderItem { offer_id: scene.book.offer_id.clone(), quantity: 1 }],
        ..Default::default()
    };
    let ask = async |request| scene.clients.order().request_return(request).await;
    let return_id = told(&customer, request.clone(), ask).await?.return_id;
    assert_eq!(told(&customer, request, ask).await?.return_id, return_id, "asked for twice");
    let accepted = || ResolveReturnRequest {
        request_id: new_request_id(),
        return_id: return_id.clone(),
        accept: true,
        restock: true,
        answer: String::new(),
    };
    let resolve = async |request| scene.clients.order().resolve_return(request).await;
    // By two people, who say the same.
    for request in [accepted(), accepted()] {
        let resolved = told(scene.seller.owner(), request, resolve).await?;
        assert_ne!(resolved.state(), ReturnState::Requested, "{resolved:?}");
    }
    refunded(&customer, &order_id, PRICE).await?;
    customer.balance_becomes(2 * PRICE).await
}

/// Paid by card; staff give a part back, the customer cancels for the rest.
pub(crate) async fn is_cancelled(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(0).await?;
    let card = customer.add_card("tok_visa").await?.card_id;
    let order_id = scene.place(&customer, customer.order_by_card(&card, &[(&scene.book, 2)])).await?.order_id;
    assert_eq!(ended(&customer, &order_id).await?.state(), OrderState::Confirmed);

    let payment =
        eventually("the payment is there", SOON, async || customer.payment(&order_id).await.ok().flatten());
    let request = RefundPaymentRequest {
        request_id: new_request_id(),
        payment_id: payment.await?.payment_id,
        amount: Some(euros(300)),
        note: String::new(),
    };
    let refund = async |request| scene.clients.payment().refund_payment(request).await;
    let made = told(&scene.admin, request.clone(), refund).await?.refund_id;
    assert_eq!(told(&scene.admin, request, refund).await?.refund_id, made, "given back twice");
    refunded(&customer, &order_id, 300).await?;
    let order = cancelled(scene, &customer, &order_id).await?;
    assert_eq!(order, CancelReason::CustomerRequest);
    refunded(&customer, &order_id, 2 * PRICE).await?;
    becomes(&customer, &order_id, "refunded", |order| order.payment_state() == PaymentState::Refunded)
        .await?;
    Ok(())
}

/// Nobody pays: there is no money, the card declines, the customer was faster.
pub(crate) async fn is_unpaid(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(PRICE / 2).await?;
    let order = scene.order(&customer, 1).await?;
    assert_eq!(order.cancel_reason(), CancelReason::InsufficientFunds, "{order:?}");
    customer.balance_becomes(PRICE / 2).await?;
    let card = customer.add_card("tok_declined").await?.card_id;
    let order_id = scene.place(&customer, customer.order_by_card(&card, &[(&scene.book, 1)])).await?.order_id;
    let order = ended(&customer, &order_id).await?;
    assert_eq!(order.cancel_reason(), CancelReason::PaymentDeclined, "{order:?}");

    // The bank agrees only after that: what it holds is let go.
    let card = customer.add_card("tok_late_success").await?.card_id;
    let order_id = scene.place(&customer, customer.order_by_card(&card, &[(&scene.book, 1)])).await?.order_id;
    assert_eq!(cancelled(scene, &customer, &order_id).await?, CancelReason::CustomerRequest);
    let is_settled = |state| matches!(state, PaymentState::Failed | PaymentState::Refunded);
    becomes(&customer, &order_id, "nobody's to pay", |order| is_settled(order.payment_state())).await?;
    Ok(())
}

/// The time to pay runs out while payment hangs.
pub(crate) async fn is_too_late(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(PRICE).await?;
    scene.shop.pause(Service::Payment).await?;
    let late = async {
        let request = customer.order_of(&new_request_id(), &[(&scene.book, 1)]);
        let order_id = scene.place(&customer, request).await?.order_id;
        ended(&customer, &order_id).await
    };
    let late = late.await;
    scene.shop.resume(Service::Payment).await?;
    let late = late?;
    assert_eq!(late.cancel_reason(), CancelReason::PaymentTimeout, "{late:?}");
    customer.balance_becomes(PRICE).await
}

/// Paid while inventory cannot be asked for the stock.
pub(crate) async fn waits_for_stock(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(0).await?;
    let card = customer.add_card("tok_timeout_then_success").await?.card_id;
    let order_id = scene.place(&customer, customer.order_by_card(&card, &[(&scene.book, 1)])).await?.order_id;
    // It may be dead at this moment, or the bank be faster: then there is a next round.
    if scene.shop.pause(Service::Inventory).await.is_ok() {
        let paid = eventually("paid for without stock", SOON, async || {
            let request = customer.request(GetOrderRequest { order_id: order_id.clone() }).ok()?;
            let order = scene.clients.order().get_order(request).await.ok()?.into_inner();
            (order.payment_state() == PaymentState::Captured || order.state() != OrderState::Pending)
                .then_some(())
        })
        .await;
        scene.shop.resume(Service::Inventory).await?;
        paid?;
    }
    assert_eq!(ended(&customer, &order_id).await?.state(), OrderState::Confirmed);
    Ok(())
}

async fn cancelled(scene: &Scene<'_>, customer: &Customer, order_id: &str) -> Result<CancelReason> {
    let request = CancelOrderRequest {
        request_id: new_request_id(),
        order_id: order_id.to_owned(),
        note: "changed my mind".to_owned(),
    };
    let cancel = async |request| scene.clients.order().cancel_order(request).await;
    told(customer, request.clone(), cancel).await?;
    let order = told(customer, request, cancel).await.context("CancelOrder again")?;
    assert_eq!(order.state(), OrderState::Cancelled, "{order:?}");
    Ok(order.cancel_reason())
}

/// Waits until the order knows that so much of it was given back.
async fn refunded(customer: &Customer, order_id: &str, minor_units: i64) -> Result<()> {
    becomes(customer, order_id, &format!("given back {minor_units}"), |order| {
        order.refunded.as_ref().is_some_and(|money| money.minor_units == minor_units)
    })
    .await?;
    Ok(())
}
