use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use proto::{
    inventory::v1::{Line, ReservationState, ReserveStockRequest},
    order::v1::{CancelReason, OrderState, PaymentState, StockState},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{Options, Service, Shop};
use testkit::eventually;

fn with_short_reservations() -> Options {
    Options { reservation_ttl: Duration::from_secs(1), ..Default::default() }
}

#[tokio::test]
async fn a_reservation_that_no_order_followed_expires() -> Result<()> {
    let shop = Shop::start_with(with_short_reservations()).await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;

    let lines = vec![Line { offer_id: book.offer_id.clone(), quantity: 3 }];
    let request = ReserveStockRequest { key: "usr_somebody/lost".to_owned(), lines };
    let order = shop.clients_as("order", Service::Inventory)?;
    let reservation = order.inventory().reserve_stock(request).await?.into_inner();
    assert_eq!(reservation.state(), ReservationState::Held);

    seller.stock_becomes(&book, 5, 0).await?;
    shop.check(&[]).await
}

#[tokio::test]
async fn a_paid_order_whose_reservation_expired_is_confirmed_while_there_is_stock() -> Result<()> {
    let shop = Shop::start_with(with_short_reservations()).await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(5_000).await?;
    shop.kill(Service::Payment).await?;
    let order_id = customer.place(&book, 2).await?.order_id;
    seller.stock_becomes(&book, 5, 0).await?;

    shop.start_again(Service::Payment).await?;

    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    assert_eq!(seller.stock(&book).await?, (3, 0));
    shop.check(&[order_id]).await
}

#[tokio::test]
async fn stock_lost_between_capture_and_commit_cancels_and_refunds() -> Result<()> {
    let shop = Shop::start_with(with_short_reservations()).await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 2).await?;
    let customer = shop.customer(5_000).await?;
    shop.kill(Service::Payment).await?;
    let order_id = customer.place(&book, 2).await?.order_id;
    seller.stock_becomes(&book, 2, 0).await?;
    seller.count(&book, 1).await?;

    shop.start_again(Service::Payment).await?;

    let order = customer.ended(&order_id).await?;
    assert_eq!(order.state(), OrderState::Cancelled);
    assert_eq!(order.cancel_reason(), CancelReason::StockLost);
    assert_eq!(order.stock_state(), StockState::Released);
    customer.balance_becomes(5_000).await?;
    assert_eq!(seller.stock(&book).await?, (1, 0));
    shop.check(std::slice::from_ref(&order_id)).await?;
    assert_eq!(customer.order(&order_id).await?.payment_state(), PaymentState::Refunded);
    Ok(())
}

#[tokio::test]
async fn an_order_that_nobody_charges_in_time_is_cancelled_for_good() -> Result<()> {
    let options = Options { payment_deadline: Duration::from_secs(1), ..Default::default() };
    let shop = Shop::start_with(options).await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 2).await?;
    let customer = shop.customer(5_000).await?;
    shop.kill(Service::Payment).await?;

    let order_id = customer.place(&book, 2).await?.order_id;

    let order = customer.ended(&order_id).await?;
    assert_eq!(order.state(), OrderState::Cancelled);
    assert_eq!(order.cancel_reason(), CancelReason::PaymentTimeout);
    seller.stock_becomes(&book, 2, 0).await?;
    shop.start_again(Service::Payment).await?;
    shop.check(&[order_id]).await?;
    assert_eq!(customer.balance().await?, 5_000);
    Ok(())
}

#[tokio::test]
async fn a_paid_order_waits_for_inventory_beyond_its_payment_deadline() -> Result<()> {
    const DEADLINE: Duration = Duration::from_secs(10);
    let options = Options { payment_deadline: DEADLINE, ..Default::default() };
    let shop = Shop::start_with(options).await?;
    let book = shop.seller().await?.add_book(1_000, 2).await?;
    let customer = shop.customer(5_000).await?;
    shop.pause(Service::Payment).await?;
    let order_id = customer.place(&book, 2).await?.order_id;
    shop.kill(Service::Inventory).await?;
    shop.resume(Service::Payment).await?;

    all_overdue(&shop, DEADLINE).await?;
    let waiting = customer.order(&order_id).await?;
    assert_eq!(waiting.state(), OrderState::Pending);
    assert_eq!(waiting.payment_state(), PaymentState::Captured);
    shop.start_again(Service::Inventory).await?;

    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    shop.check(&[order_id]).await
}

/// Asking a service that hangs takes time for each order; there are more orders than that leaves time for.
#[tokio::test]
async fn many_paid_orders_outlast_an_inventory_that_hangs() -> Result<()> {
    const ORDERS: usize = 800;
    const DEADLINE: Duration = Duration::from_secs(30);
    let options = Options { payment_deadline: DEADLINE, ..Default::default() };
    let shop = Shop::start_with(options).await?;
    let book = shop.seller().await?.add_book(100, 800).await?;
    let customer = shop.customer(80_000).await?;
    // The deadline runs from publication: however long placing takes, it begins for all of them at once.
    shop.broker.stop().await?;
    let placed = try_join_all((0..ORDERS).map(|_| customer.place(&book, 1))).await?;
    let orders: Vec<String> = placed.into_iter().map(|order| order.order_id).collect();
    shop.pause(Service::Inventory).await?;
    shop.broker.start_again().await?;
    payments_are_noted(&shop).await?;
    all_overdue(&shop, DEADLINE).await?;
    shop.resume(Service::Inventory).await?;

    for order in &orders {
        let ended = customer.ended(order).await?;
        assert_eq!(ended.state(), OrderState::Confirmed, "{ended:?}");
    }
    shop.check(&orders).await
}

/// Every order knows that it is paid, long before it would have to.
async fn payments_are_noted(shop: &Shop) -> Result<()> {
    let noted = "SELECT bool_and(payment_state = 'CAPTURED') FROM orders";
    order_says(shop, "every payment is noted", Duration::from_secs(10), noted).await
}

/// The payment deadline has passed for every order.
async fn all_overdue(shop: &Shop, deadline: Duration) -> Result<()> {
    let overdue = format!(
        "SELECT bool_and(first_published_at < now() - interval '{} seconds')
        FROM outbox WHERE subject LIKE '%placed'",
        deadline.as_secs() + 1
    );
    order_says(shop, "the deadline passes", 3 * deadline, &overdue).await
}

/// Waits until order's database says so.
async fn order_says(shop: &Shop, what: &str, patience: Duration, query: &str) -> Result<()> {
    let database = shop.database(Service::Order)?.url();
    eventually(what, patience, async || {
        let mut order = PgConnection::connect(database).await.ok()?;
        let is_so: Option<bool> =
            sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut order).await.ok()?;
        is_so.unwrap_or_default().then_some(())
    })
    .await
}
