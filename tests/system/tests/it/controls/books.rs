//! Guards of stock and orders.

use anyhow::{Context, Result};
use fault::Guard;
use proto::order::v1::{Order, OrderState};
use system_tests::{Book, Customer, Service, new_request_id};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::ground::Ground;

pub(super) const GUARDS: &[Guard] = &[Guard::Stock, Guard::Outbox, Guard::Repeats];

#[tokio::test]
async fn stock_orders_and_their_events_are_guarded() -> Result<()> {
    let ground = Ground::open().await?;
    let customer = ground.shop.customer(1_000_000).await?;

    // With all guards.
    assert_eq!(oversell(&ground, &customer).await?.1.unwrap_err().code(), Code::FailedPrecondition);
    let (first, again) = repeat_before_the_payment(&ground, &customer).await?;
    assert_eq!(first, again);
    die_after_the_commit(&ground, &customer).await?;
    ground.is_sound().await?;

    // Without the first of several.
    stock_by_the_constraint_alone(&ground, &customer).await?;
    repeats_by_the_key_alone(&ground, &customer).await?;
    ground.shop.without(Service::Order, &[]).await?;
    ground.shop.without(Service::Inventory, &[]).await?;
    ground.is_sound().await?;

    // Without all.
    a_lost_event_is_caught(&ground, &customer).await?;
    an_order_that_was_made_twice_is_caught(&ground, &customer).await?;
    overselling_is_caught(&ground, &customer).await
}

/// Of 20 copies 15 are ordered, and 15 more.
async fn oversell(ground: &Ground, customer: &Customer) -> Result<(Book, Result<Order, Status>)> {
    let book = ground.seller.add_book(1_000, 20).await?;
    let order = customer.place(&book, 15).await?;
    ground.took(&order.order_id);
    let beyond = customer.try_place(customer.order_of(&new_request_id(), &[(&book, 15)])).await?;
    if let Ok(order) = &beyond {
        ground.took(&order.order_id);
        assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);
    }
    assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);
    Ok((book, beyond))
}

async fn stock_by_the_constraint_alone(ground: &Ground, customer: &Customer) -> Result<()> {
    ground.shop.without(Service::Inventory, &[Guard::Stock]).await?;
    let (book, beyond) = oversell(ground, customer).await?;
    let refusal = beyond.err().context("it was taken")?;
    assert_eq!(refusal.code(), Code::Internal, "{refusal}");
    ground.shop.says(Service::Inventory, "stock_is_not_oversold").await?;
    assert_eq!(ground.seller.stock(&book).await?, (5, 0));
    Ok(())
}

async fn overselling_is_caught(ground: &Ground, customer: &Customer) -> Result<()> {
    ground.alter(Service::Inventory, "ALTER TABLE stock DROP CONSTRAINT stock_is_not_oversold").await?;
    ground.shop.without(Service::Inventory, &[Guard::Stock]).await?;
    let (book, beyond) = oversell(ground, customer).await?;
    beyond.context("the order beyond the stock")?;
    assert_eq!(ground.seller.stock(&book).await?, (-10, 0));
    ground
        .is_caught("inventory.stock and stock_is_not_oversold", &[&book.offer_id, "0 of -10 reserved"])
        .await
}

/// The ids that one request is answered with twice, while the payment of its order waits.
async fn repeat_before_the_payment(ground: &Ground, customer: &Customer) -> Result<(String, String)> {
    ground.shop.pause(Service::Payment).await?;
    let request = customer.order_of(&new_request_id(), &[(&ground.book, 1)]);
    let first = customer.try_place(request.clone()).await?.context("PlaceOrder")?.order_id;
    let again = customer.try_place(request).await?.context("PlaceOrder again")?.order_id;
    ground.shop.resume(Service::Payment).await?;
    for order_id in [&first, &again] {
        ground.took(order_id);
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
    }
    Ok((first, again))
}

async fn repeats_by_the_key_alone(ground: &Ground, customer: &Customer) -> Result<()> {
    ground.shop.without(Service::Order, &[Guard::Repeats]).await?;
    let (first, again) = repeat_before_the_payment(ground, customer).await?;
    assert_eq!(first, again, "the key of (user_id, request_id)");

    // Later still the reservation holds, which is the order's by now.
    let request = customer.order_of(&new_request_id(), &[(&ground.book, 1)]);
    let order_id = customer.try_place(request.clone()).await?.context("PlaceOrder")?.order_id;
    ground.took(&order_id);
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    let refusal = customer.try_place(request).await?.err().context("it was taken")?;
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    let info = refusal.get_details_error_info().context("no ErrorInfo")?;
    assert_eq!(info.reason, "RESERVATION_CLOSED");
    Ok(())
}

async fn an_order_that_was_made_twice_is_caught(ground: &Ground, customer: &Customer) -> Result<()> {
    // The key is there, but no request meets itself in it.
    let no_key = "
        CREATE FUNCTION another_request() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.request_id := gen_random_uuid()::text; RETURN NEW; END $$;
        CREATE TRIGGER another_request BEFORE INSERT ON orders
            FOR EACH ROW EXECUTE FUNCTION another_request()";
    ground.alter(Service::Order, no_key).await?;
    ground.shop.without(Service::Order, &[Guard::Repeats]).await?;
    let (first, again) = repeat_before_the_payment(ground, customer).await?;
    assert_ne!(first, again);
    ground
        .is_caught(
            "order.repeats and the key of (user_id, request_id)",
            &["is held for", "and for another order"],
        )
        .await?;
    ground.alter(Service::Order, "DROP TRIGGER another_request ON orders").await?;
    ground.shop.without(Service::Order, &[]).await
}

/// An order whose service dies between the commit and the answer; the customer asks again.
async fn die_after_the_commit(ground: &Ground, customer: &Customer) -> Result<String> {
    ground.shop.arm(Service::Order, "order.place.commit.after").await?;
    let request = customer.order_of(&new_request_id(), &[(&ground.book, 1)]);
    assert!(customer.try_place_once(request.clone()).await?.is_err());
    ground.shop.falls(Service::Order).await?;
    ground.shop.without(Service::Order, &[]).await?;
    let order_id = customer.ask(request, async |request| {
        ground
            .shop
            .clients()
            .map_err(|error| Status::internal(error.to_string()))?
            .order()
            .place_order(request)
            .await
    });
    let order_id = order_id.await?.context("PlaceOrder again")?.order_id;
    ground.took(&order_id);
    Ok(order_id)
}

async fn a_lost_event_is_caught(ground: &Ground, customer: &Customer) -> Result<()> {
    ground.shop.without(Service::Order, &[Guard::Outbox]).await?;
    // Where nobody dies nobody notices.
    ground.goes_all_the_way().await?;
    let order_id = die_after_the_commit(ground, customer).await?;
    ground.is_caught("events.outbox", &[&order_id, "is PENDING"]).await
}
