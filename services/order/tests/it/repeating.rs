//! The same request again.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use proto::{
    inventory::v1::ReservationState,
    order::v1::{Order, OrderState, PlaceOrderRequest},
};
use testkit::{as_user, eventually};
use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    inventory::Behaviour,
    shop::{SOON, Shop, item, request},
};

fn reason(status: &Status) -> Result<String> {
    Ok(status.get_details_error_info().context("no ErrorInfo")?.reason)
}

#[tokio::test]
async fn a_request_from_many_callers_at_two_replicas_makes_one_order() -> Result<()> {
    let shop = Shop::open().await?;
    let (_running, other) = shop.replica().await?;
    let reader = shop.reader()?;
    let request = request(&reader);

    let calls = (0..32).map(|caller| {
        let mut client = if caller % 2 == 0 { shop.client.clone() } else { other.clone() };
        let call = as_user(&reader.token, request.clone());
        async move { anyhow::Ok(client.place_order(call?).await?.into_inner()) }
    });
    let orders: Vec<Order> = try_join_all(calls).await?;

    assert!(orders.iter().all(|order| *order == orders[0]));
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 1);
    assert_eq!(shop.number("SELECT count(*) FROM order_history").await?, 1);
    assert_eq!(shop.number("SELECT count(*) FROM outbox").await?, 1);
    assert_eq!(shop.inventory.reservations().len(), 1);
    Ok(())
}

#[tokio::test]
async fn many_different_orders_at_once_are_all_placed() -> Result<()> {
    let shop = Shop::open().await?;
    let readers = (0..4).map(|_| shop.reader()).collect::<Result<Vec<_>>>()?;

    let calls = (0..100).map(|call| shop.pending(&readers[call % readers.len()]));
    let orders = try_join_all(calls).await?;

    for (call, order) in orders.iter().enumerate() {
        assert_eq!(shop.get(&readers[call % readers.len()], &order.order_id).await??.lines, order.lines);
    }
    assert_eq!(shop.number("SELECT count(*) FROM outbox").await?, 100);
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_not_taken_for_another_order() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let first = request(&reader);
    let order = shop.place(&reader, first.clone()).await??;

    for other in [
        PlaceOrderRequest { items: vec![item(1)], ..first.clone() },
        PlaceOrderRequest { address_id: shop.reader()?.address.to_string(), ..first.clone() },
    ] {
        let status = shop.place(&reader, other).await?.expect_err("placed");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(reason(&status)?, "REQUEST_ID_REUSED");
    }
    assert_eq!(shop.place(&reader, first.clone()).await??, order);

    let stranger = shop.reader()?;
    let theirs = PlaceOrderRequest { address_id: stranger.address.to_string(), ..first };
    assert_ne!(shop.place(&stranger, theirs).await??.order_id, order.order_id);
    Ok(())
}

#[tokio::test]
async fn two_requests_with_one_id_at_once_make_one_order_and_one_refusal() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let first = request(&reader);
    // The same books, so that inventory lets both pass.
    let second = PlaceOrderRequest { address_id: shop.another_address(&reader).to_string(), ..first.clone() };
    let permits = Arc::new(Semaphore::new(0));
    shop.inventory.on_reserve(Behaviour::Waits(permits.clone()));
    let both_reserve = async {
        eventually("both reserve", SOON, async || (shop.inventory.reserve_calls() == 2).then_some(()))
            .await?;
        permits.add_permits(2);
        Ok(())
    };

    let (first, second, ()) =
        tokio::try_join!(shop.place(&reader, first), shop.place(&reader, second), both_reserve)?;

    let (placed, refused) = if first.is_ok() { (first, second) } else { (second, first) };
    placed?;
    assert_eq!(reason(&refused.err().context("both placed")?)?, "REQUEST_ID_REUSED");
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_found_by_its_retry_as_it_is_by_then() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = request(&reader);
    let lost = shop.place(&reader, request.clone()).await??;
    shop.capture(&lost).await?;
    shop.in_state(OrderState::Confirmed, &reader, &lost).await?;
    shop.inventory.on_reserve(Behaviour::Fails(Status::unavailable("away")));

    let found = shop.place(&reader, request).await??;

    assert_eq!(found.order_id, lost.order_id);
    assert_eq!(found.state(), OrderState::Confirmed);
    Ok(())
}

#[tokio::test]
async fn a_slower_attempt_finds_the_order_of_the_faster_one_although_its_stock_is_committed() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = request(&reader);
    let permits = Arc::new(Semaphore::new(0));
    shop.inventory.on_reserve(Behaviour::Waits(permits.clone()));

    let attempt = || {
        let (mut client, call) = (shop.client.clone(), as_user(&reader.token, request.clone()));
        tokio::spawn(async move { anyhow::Ok(client.place_order(call?).await?.into_inner()) })
    };
    let reserving = async |attempts: usize| {
        let what = format!("{attempts} attempts reserve");
        let reserve = async || (shop.inventory.reserve_calls() == attempts).then_some(());
        eventually(&what, SOON, reserve).await
    };
    // One after the other, or they would ask together and be answered together.
    let first = attempt();
    reserving(1).await?;
    let second = attempt();
    reserving(2).await?;
    permits.add_permits(1);
    eventually("one attempt has its order", SOON, async || {
        (shop.number("SELECT count(*) FROM orders").await.ok()? == 1).then_some(())
    })
    .await?;
    shop.inventory.bring_all_to(ReservationState::Committed);
    permits.add_permits(1);

    assert_eq!(first.await??.order_id, second.await??.order_id);
    Ok(())
}

#[tokio::test]
async fn a_reservation_that_has_ended_without_an_order_makes_none() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = request(&reader);
    // An attempt that died between its reservation and its order.
    shop.db_refuses_orders(true).await?;
    shop.place(&reader, request.clone()).await?.expect_err("placed");
    shop.db_refuses_orders(false).await?;
    shop.inventory.bring_all_to(ReservationState::Released);

    let status = shop.place(&reader, request).await?.expect_err("placed");

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(reason(&status)?, "RESERVATION_CLOSED");
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 0);
    Ok(())
}

/// Or the customer orders again, and pays twice.
#[tokio::test]
async fn while_orders_cannot_be_read_nobody_hears_that_a_request_has_made_none() -> Result<()> {
    let (shop, gate) = Shop::behind_a_gate().await?;
    let reader = shop.reader()?;
    let request = request(&reader);
    let order = shop.place(&reader, request.clone()).await??;
    for state in [ReservationState::Committed, ReservationState::Released] {
        shop.inventory.bring_all_to(state);

        gate.close();
        let status = shop.place(&reader, request.clone()).await?.expect_err("found");
        assert_eq!(status.code(), Code::Unavailable, "{status}");

        gate.open();
        eventually("the order is found again", SOON, async || {
            let found = shop.place(&reader, request.clone()).await.ok()?.ok()?;
            (found.order_id == order.order_id).then_some(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_attempt_that_died_after_its_reservation_is_finished_by_its_retry() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = request(&reader);
    shop.db_refuses_orders(true).await?;
    let status = shop.place(&reader, request.clone()).await?.expect_err("placed");
    assert_eq!(status.code(), Code::Internal);
    shop.db_refuses_orders(false).await?;

    let order = shop.place(&reader, request).await??;

    assert_eq!(order.state(), OrderState::Pending);
    assert_eq!(shop.inventory.reservations().len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_order_that_the_database_refuses_costs_its_neighbours_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, unlucky) = (shop.reader()?, shop.reader()?);
    shop.db_refuses_orders_of(&unlucky).await?;

    let good = try_join_all((0..20).map(|_| shop.pending(&reader)));
    let bad = try_join_all((0..3).map(|_| shop.pending_refused(&unlucky)));
    let (_, refused) = tokio::try_join!(good, bad)?;

    assert!(refused.iter().all(|status| status.code() == Code::Internal));
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 20);
    Ok(())
}
