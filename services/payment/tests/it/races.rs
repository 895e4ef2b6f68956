//! Answers of the card gateway that reach several at once.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use auth::Permission;
use proto::payment::v1::{PaymentState, ProcessPaymentRequest};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use testkit::{as_user, eventually};
use tokio::task::JoinSet;

use crate::{
    cards::gateway_agrees,
    shop::{SOON, Shop},
};

/// Long enough for everybody to ask before anybody hears.
const LONG: Duration = Duration::from_secs(20);

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
