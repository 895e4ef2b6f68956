use std::time::Duration;

use anyhow::Result;
use proto::{
    inventory::v1::{self as pb, ReservationState},
    order::v1::{CancelReason, OrderCancelled, OrderItem, OrderReturned},
};
use testkit::{eventually, publish, publish_as};
use values::{EventId, OrderId, ReservationId, ReturnId, UserId};

use crate::harness::{Bookshop, SOON, commit, reserve};

fn cancelled(reservation_id: &str) -> (String, OrderCancelled) {
    let order_id = OrderId::new().to_string();
    let event = OrderCancelled {
        order_id: order_id.clone(),
        user_id: UserId::new().to_string(),
        reservation_id: reservation_id.to_owned(),
        reason: CancelReason::CustomerRequest.into(),
    };
    (order_id, event)
}

async fn becomes(bookshop: &Bookshop, reservation: &pb::Reservation, wanted: &str) -> Result<()> {
    let id: ReservationId = reservation.reservation_id.parse()?;
    let count =
        format!("SELECT count(*) FROM reservations WHERE id = '{}' AND state = '{wanted}'", id.uuid());
    eventually(wanted, SOON, async || (bookshop.number(&count).await.ok()? == 1).then_some(())).await
}

/// Waits until this many events have been handled.
async fn all_handled(bookshop: &Bookshop, events: i64) -> Result<()> {
    eventually("the inbox", SOON, async || {
        let handled = "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM dead_letters)";
        (bookshop.number(handled).await.ok()? >= events).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_cancelled_order_gives_back_what_it_had_reserved() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    let (order, event) = cancelled(&held.reservation_id);
    publish(&bookshop.broker, &order, 2, &event).await?;
    becomes(&bookshop, &held, "RELEASED").await?;
    assert_eq!(owner.counts(&offer).await?, (5, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_cancelled_order_is_restocked_once_however_often_it_is_told() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    commit(&owner.client, &held).await?;
    let (order, event) = cancelled(&held.reservation_id);
    let id = EventId::new();
    publish_as(&bookshop.broker, id, &order, 2, &event).await?;
    becomes(&bookshop, &held, "RESTOCKED").await?;
    publish_as(&bookshop.broker, id, &order, 2, &event).await?;
    publish(&bookshop.broker, &order, 2, &event).await?;
    all_handled(&bookshop, 2).await?;
    assert_eq!(owner.counts(&offer).await?, (5, 0));
    let restocked = "SELECT count(*) FROM stock_movements WHERE kind = 'RESTOCKED'";
    assert_eq!(bookshop.number(restocked).await?, 1);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn the_reservation_of_a_cancelled_order_cannot_be_had_again_after_it_expired() -> Result<()> {
    let bookshop = Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(200)).await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    eventually("the expiry", SOON, async || (owner.counts(&offer).await.ok()? == (5, 0)).then_some(()))
        .await?;
    let (order, event) = cancelled(&held.reservation_id);
    publish(&bookshop.broker, &order, 2, &event).await?;
    all_handled(&bookshop, 1).await?;
    assert_eq!(reserve(&owner.client, "key", &[(&offer, 2)]).await?.state(), ReservationState::Released);
    assert_eq!(owner.counts(&offer).await?, (5, 0));
    Ok(())
}

#[tokio::test]
async fn a_cancelled_order_without_a_known_reservation_is_a_dead_letter_and_holds_nobody_up() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 2)]).await?;
    for reservation_id in
        [ReservationId::new().to_string(), "nonsense".to_owned(), held.reservation_id.clone()]
    {
        let (order, event) = cancelled(&reservation_id);
        publish(&bookshop.broker, &order, 2, &event).await?;
    }
    becomes(&bookshop, &held, "RELEASED").await?;
    eventually("the dead letters", SOON, async || {
        (bookshop.number("SELECT count(*) FROM dead_letters").await.ok()? == 2).then_some(())
    })
    .await
}

fn returned(reservation: &pb::Reservation, copies: i32, restock: bool) -> OrderReturned {
    OrderReturned {
        return_id: ReturnId::new().to_string(),
        order_id: OrderId::new().to_string(),
        user_id: UserId::new().to_string(),
        reservation_id: reservation.reservation_id.clone(),
        restock,
        items: vec![OrderItem { offer_id: reservation.lines[0].offer_id.clone(), quantity: copies }],
        ..Default::default()
    }
}

#[tokio::test]
async fn returned_books_are_put_back_once_however_often_it_is_told_and_only_if_the_shop_wants_them()
-> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let sold = reserve(&owner.client, "key", &[(&offer, 3)]).await?;
    commit(&owner.client, &sold).await?;
    let (kept_out, first, second) =
        (returned(&sold, 1, false), returned(&sold, 1, true), returned(&sold, 1, true));
    for event in [&kept_out, &first, &first, &second, &first] {
        publish(&bookshop.broker, &event.return_id, 1, event).await?;
    }
    all_handled(&bookshop, 5).await?;
    assert_eq!(owner.counts(&offer).await?, (4, 0));
    assert_eq!(bookshop.number("SELECT count(*) FROM stock_movements WHERE kind = 'RETURNED'").await?, 2);
    assert_eq!(bookshop.number("SELECT count(*) FROM dead_letters").await?, 0);

    // Of the three that were sold one never came back to the shelf: it may, but no fourth.
    let too_many = returned(&sold, 2, true);
    publish(&bookshop.broker, &too_many.return_id, 1, &too_many).await?;
    eventually("the dead letter", SOON, async || {
        (bookshop.number("SELECT count(*) FROM dead_letters").await.ok()? == 1).then_some(())
    })
    .await?;
    assert_eq!(owner.counts(&offer).await?, (4, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_return_that_is_heard_of_before_its_sale_waits_for_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 3)]).await?;
    let event = returned(&held, 3, true);
    let unknown =
        OrderReturned { reservation_id: ReservationId::new().to_string(), ..returned(&held, 1, true) };
    publish(&bookshop.broker, &unknown.return_id, 1, &unknown).await?;
    publish(&bookshop.broker, &event.return_id, 1, &event).await?;
    commit(&owner.client, &held).await?;
    eventually("the copies", SOON, async || (owner.counts(&offer).await.ok()? == (5, 0)).then_some(()))
        .await?;
    assert_eq!(bookshop.number("SELECT count(*) FROM dead_letters").await?, 0, "the unknown one still waits");
    bookshop.assert_the_stock_adds_up().await
}
