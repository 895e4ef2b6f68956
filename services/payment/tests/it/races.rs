//! What happens at the same moment.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use auth::Permission;
use proto::payment::v1::{PaymentState, ProcessPaymentRequest};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use testkit::{as_user, eventually};
use tokio::task::JoinSet;
use tonic::Status;
use values::{EventId, OrderId};

use crate::{
    cards::gateway_agrees,
    shop::{SOON, Shop},
};

/// Long enough for everybody to ask before anybody hears.
const LONG: Duration = Duration::from_secs(20);

/// Somebody who waits for none of the rows that are asked for here gets them at once.
const AT_ONCE: &str = "SET LOCAL lock_timeout = '100ms'";

/// Waits until the service waits for a row that a test has locked.
async fn held_up(shop: &Shop) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event = 'transactionid'";
    eventually("the service waits", SOON, async || (shop.number(waiting).await.ok()? > 0).then_some(())).await
}

#[tokio::test]
async fn an_answer_that_several_hear_is_recorded_once() -> Result<()> {
    let shop = Arc::new(Shop::open_with_patience(LONG).await?);
    let staff = shop.staff(&[Permission::PAYMENTS_MANAGE])?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;

    let gateway = shop.db.begin().await?;
    gateway.execute_unprepared("LOCK TABLE simulated_gateway.operations").await?;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Pending, &reader, order).await?;
    let mut calls = JoinSet::new();
    for _ in 0..2 {
        let request = ProcessPaymentRequest { payment_id: payment.payment_id.clone() };
        let (shop, request) = (shop.clone(), as_user(&staff.token, request)?);
        calls.spawn(async move { shop.client.clone().process_payment(request).await });
    }
    eventually("all wait for the gateway", SOON, async || {
        let waiting = "SELECT count(*) FROM pg_locks
                       WHERE NOT granted AND relation = 'simulated_gateway.operations'::regclass";
        // The shop itself is the third.
        (shop.number(waiting).await.ok()? == 3).then_some(())
    })
    .await?;
    gateway.commit().await?;
    while let Some(answer) = calls.join_next().await {
        answer??;
    }

    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    let operations = "SELECT count(*) FROM simulated_gateway.operations WHERE answer = 'DONE'";
    assert_eq!(shop.number(operations).await?, 2, "a promise and a capture");
    let told = "SELECT count(*) FROM outbox WHERE subject LIKE '%captured'";
    assert_eq!(shop.number(told).await?, 1);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn payments_of_cards_and_of_wallets_are_inserted_in_one_order() -> Result<()> {
    let shop = Shop::open().await?;
    let (first, by_wallet, by_card) =
        (shop.reader_with(10_00).await?, shop.reader_with(10_00).await?, shop.reader()?);
    let card = shop.add_card(&by_card, "tok_visa").await??.card_id;
    let mut orders = [OrderId::new(), OrderId::new()];
    orders.sort_unstable();

    // While one order waits for its wallet, two others arrive together.
    let wallet = shop.db.begin().await?;
    let lock = format!("SELECT FROM accounts WHERE user_id = '{}' FOR UPDATE", first.user.uuid());
    wallet.execute_unprepared(&lock).await?;
    let waiting = shop.place(&first, 1_00).await?;
    held_up(&shop).await?;
    let events = [EventId::new(), EventId::new()];
    shop.place_by_as(events[0], orders[0], &card, &by_card, 1_00).await?;
    shop.place_as(events[1], orders[1], &by_wallet, 1_00).await?;

    let tombstones = shop.db.begin().await?;
    let bury = async |order: OrderId| {
        let bury = format!(
            "INSERT INTO payments (id, order_id, user_id, state)
             VALUES (gen_random_uuid(), '{}', gen_random_uuid(), 'CANCELLED')",
            order.uuid()
        );
        tombstones.execute_unprepared(&bury).await
    };
    bury(orders[0]).await?;
    wallet.rollback().await?;
    shop.payment_in(PaymentState::Captured, &first, waiting).await?;
    held_up(&shop).await?;
    tombstones.execute_unprepared(AT_ONCE).await?;
    bury(orders[1]).await?;
    tombstones.commit().await?;

    shop.handled(&events).await?;
    assert_eq!(shop.number("SELECT count(*) FROM payments WHERE state = 'CANCELLED'").await?, 2);
    assert_eq!(shop.balance(&by_wallet).await?, 10_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn cancellations_lock_charges_before_wallets() -> Result<()> {
    let shop = Shop::open_with_patience(LONG).await?;
    let (first, by_wallet, by_card) =
        (shop.reader_with(10_00).await?, shop.reader_with(10_00).await?, shop.reader()?);
    let card = shop.add_card(&by_card, "tok_visa").await??.card_id;
    let (waiting, paid) = (shop.place(&first, 1_00).await?, shop.place(&by_wallet, 1_00).await?);
    shop.payment_in(PaymentState::Captured, &first, waiting).await?;
    shop.payment_in(PaymentState::Captured, &by_wallet, paid).await?;
    let gateway = shop.db.begin().await?;
    gateway.execute_unprepared("LOCK TABLE simulated_gateway.operations").await?;
    let under_way = shop.place_by(&card, &by_card, 1_00).await?;
    shop.payment_in(PaymentState::Pending, &by_card, under_way).await?;

    // While one order waits for its payment, two others are cancelled together.
    let payment = shop.db.begin().await?;
    let lock = format!("SELECT FROM payments WHERE order_id = '{}' FOR UPDATE", waiting.uuid());
    payment.execute_unprepared(&lock).await?;
    shop.cancel(&first, waiting).await?;
    held_up(&shop).await?;
    shop.cancel(&by_card, under_way).await?;
    shop.cancel(&by_wallet, paid).await?;

    let charge = shop.db.begin().await?;
    charge.execute_unprepared("SELECT FROM card_charges WHERE purpose = 'ORDER' FOR UPDATE").await?;
    payment.rollback().await?;
    shop.payment_in(PaymentState::Refunded, &first, waiting).await?;
    held_up(&shop).await?;
    charge.execute_unprepared(AT_ONCE).await?;
    let lock = format!("SELECT FROM accounts WHERE user_id = '{}' FOR UPDATE", by_wallet.user.uuid());
    charge.execute_unprepared(&lock).await?;
    charge.commit().await?;
    gateway.commit().await?;

    shop.payment_in(PaymentState::Refunded, &by_wallet, paid).await?;
    shop.payment_in(PaymentState::Failed, &by_card, under_way).await?;
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_card_that_is_added_while_its_user_is_deleted_is_forgotten() -> Result<()> {
    let shop = Arc::new(Shop::open().await?);
    let reader = shop.reader()?;
    // Another card of the same request holds up the insertion, once it has seen that the user is there.
    let other = shop.db.begin().await?;
    let insert = format!(
        "INSERT INTO cards (id, user_id, token, brand, last4, expire_month, expire_year, request_id,
                            request_fingerprint)
         VALUES (gen_random_uuid(), '{}', 'tok_other', 'visa', '4242', 12, 2044, 'tok_visa', sha256(''))",
        reader.user.uuid()
    );
    other.execute_unprepared(&insert).await?;
    let adding = tokio::spawn({
        let (shop, reader) = (shop.clone(), reader.clone());
        async move { shop.add_card(&reader, "tok_visa").await }
    });
    held_up(&shop).await?;

    let deleted = shop.delete(&reader).await?;
    let arrived = format!(
        "SELECT (SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event = 'advisory')
              + (SELECT count(*) FROM inbox WHERE event_id = '{}')",
        deleted.uuid()
    );
    eventually("the deletion waits, or is over", SOON, async || {
        (shop.number(&arrived).await.ok()? > 0).then_some(())
    })
    .await?;
    other.rollback().await?;
    // Whether the card is still there when the call ends is up to the deletion.
    let _: Result<_, Status> = adding.await??;
    shop.handled(&[deleted]).await?;
    assert_eq!(shop.number("SELECT count(*) FROM cards").await?, 0);
    Ok(())
}
