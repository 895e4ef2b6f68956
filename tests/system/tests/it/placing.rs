use anyhow::{Context, Result};
use proto::{
    order::v1::{CancelReason, OrderState, OrderStatus, PaymentState, StockState, WatchOrderRequest},
    payment::v1::{FailureReason, PaymentState as Paid},
};
use system_tests::Shop;
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test]
async fn an_order_is_paid_from_the_wallet_and_confirmed() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let (emma, persuasion) = (seller.add_book(1_250, 10).await?, seller.add_book(900, 10).await?);
    let customer = shop.customer(5_000).await?;

    let request = customer.order_of("first", &[(&emma, 2), (&persuasion, 1)]);
    let placed = customer.try_place_once(request).await??;
    assert_eq!(placed.state(), OrderState::Pending);
    assert_eq!(placed.total.clone().context("no total")?.minor_units, 3_400);

    let order = customer.ended(&placed.order_id).await?;
    assert_eq!(order.state(), OrderState::Confirmed);
    assert_eq!(order.payment_state(), PaymentState::Captured);
    assert_eq!(order.stock_state(), StockState::Committed);
    let states: Vec<OrderState> = order.history.iter().map(proto::order::v1::OrderStep::state).collect();
    assert_eq!(states, [OrderState::Pending, OrderState::Confirmed]);
    assert_eq!(customer.balance().await?, 1_600);
    assert_eq!(seller.stock(&emma).await?, (8, 0));
    assert_eq!(seller.stock(&persuasion).await?, (9, 0));
    shop.check_orders(&[order.order_id]).await
}

#[tokio::test]
async fn a_watcher_sees_an_order_to_its_end() -> Result<()> {
    let shop = Shop::shared().await?;
    let book = shop.seller().await?.add_book(1_000, 1).await?;
    let customer = shop.customer(1_000).await?;
    let order_id = customer.place(&book, 1).await?.order_id;

    let request = customer.request(WatchOrderRequest { order_id })?;
    let mut changes = shop.clients()?.order().watch_order(request).await?.into_inner();
    let mut last: Option<OrderStatus> = None;
    while let Some(change) = changes.message().await? {
        assert!(last.is_none_or(|earlier| earlier.version < change.version));
        last = Some(change);
    }
    assert_eq!(last.context("nothing was seen")?.state(), OrderState::Confirmed);
    Ok(())
}

#[tokio::test]
async fn an_order_beyond_the_wallet_is_cancelled_and_its_stock_free_again() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(2_999).await?;

    let order_id = customer.place(&book, 3).await?.order_id;

    let order = customer.ended(&order_id).await?;
    assert_eq!(order.state(), OrderState::Cancelled);
    assert_eq!(order.cancel_reason(), CancelReason::InsufficientFunds);
    assert_eq!(order.payment_state(), PaymentState::Failed);
    let payment = customer.payment_becomes(&order_id, Paid::Failed).await?;
    assert_eq!(payment.failure_reason(), FailureReason::InsufficientFunds);
    seller.stock_becomes(&book, 5, 0).await?;
    assert_eq!(customer.balance().await?, 2_999);
    shop.check_orders(&[order_id]).await
}

#[tokio::test]
async fn an_order_with_one_line_out_of_stock_reserves_nothing() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let (plenty, scarce) = (seller.add_book(1_000, 100).await?, seller.add_book(1_000, 1).await?);
    let customer = shop.customer(10_000).await?;

    let request = customer.order_of("second-line", &[(&plenty, 1), (&scarce, 2)]);
    let refusal = customer.try_place(request).await?.unwrap_err();

    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert_eq!(refusal.get_details_error_info().context("no ErrorInfo")?.reason, "OUT_OF_STOCK");
    let violations = refusal.get_details_precondition_failure().context("no PreconditionFailure")?.violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(
        violations[0].subject.contains(&scarce.offer_id) || violations[0].subject.contains("items[1]"),
        "{violations:?}"
    );
    assert_eq!(seller.stock(&plenty).await?, (100, 0));
    assert_eq!(seller.stock(&scarce).await?, (1, 0));
    assert_eq!(customer.balance().await?, 10_000);
    Ok(())
}
