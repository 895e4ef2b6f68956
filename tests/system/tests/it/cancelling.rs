use anyhow::Result;
use proto::{
    order::v1::{CancelReason, OrderState},
    payment::v1::PaymentState,
};
use system_tests::{Service, Shop};

#[tokio::test]
async fn an_order_cancelled_before_its_charge_costs_nothing() -> Result<()> {
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(5_000).await?;
    shop.kill(Service::Payment).await?;

    let order_id = customer.place(&book, 2).await?.order_id;
    let cancelled = customer.cancel(&order_id).await?;

    assert_eq!(cancelled.state(), OrderState::Cancelled);
    assert_eq!(cancelled.cancel_reason(), CancelReason::CustomerRequest);
    seller.stock_becomes(&book, 5, 0).await?;
    shop.start_again(Service::Payment).await?;
    shop.check(&[order_id]).await?;
    assert_eq!(customer.balance().await?, 5_000);
    Ok(())
}

#[tokio::test]
async fn an_order_cancelled_after_its_capture_gives_money_and_stock_back() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(5_000).await?;
    let order_id = customer.place(&book, 2).await?.order_id;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    assert_eq!(customer.balance().await?, 3_000);

    let cancelled = customer.cancel(&order_id).await?;

    assert_eq!(cancelled.cancel_reason(), CancelReason::CustomerRequest);
    let payment = customer.payment_becomes(&order_id, PaymentState::Refunded).await?;
    assert_eq!(payment.refunded, payment.amount);
    assert_eq!(customer.balance().await?, 5_000);
    seller.stock_becomes(&book, 5, 0).await?;
    shop.check_orders(&[order_id]).await
}
