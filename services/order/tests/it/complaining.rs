//! What a person is told of.

use anyhow::Result;
use proto::{
    inventory::v1::ReservationState,
    order::v1::{OrderState, PaymentState},
};
use testkit::{Log, eventually};
use tonic::Status;

use crate::{
    inventory::Behaviour,
    shop::{SOON, Shop},
};

/// The complaints so far.
fn errors(log: &Log) -> Vec<String> {
    log.text().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_paid_order_whose_stock_nobody_can_commit_is_told_of_once() -> Result<()> {
    let (log, _collecting) = Log::collect("off,order=info");
    let shop = Shop::open().await?;
    let reader = shop.reader()?;

    shop.inventory.on_commit(Behaviour::Fails(Status::not_found("no such reservation")));
    let lost = shop.pending(&reader).await?;
    shop.capture(&lost).await?;
    shop.in_payment(PaymentState::Captured, &reader, &lost).await?;
    eventually("it is told of", SOON, async || (errors(&log).len() == 1).then_some(())).await?;
    let sweeps = shop.inventory.commit_calls() + 3;
    eventually("sweeps", SOON, async || (shop.inventory.commit_calls() >= sweeps).then_some(())).await?;

    let told = errors(&log);
    let reservation = shop.inventory.reservations().remove(0).1.reservation_id;
    assert!(told.len() == 1 && told[0].contains(&lost.order_id), "{told:?}");
    assert!(told[0].contains(&reservation), "{told:?}");

    // A state that no commit leads to is told of as well, of each order.
    let odd = shop.pending(&reader).await?;
    shop.inventory.bring_all_to(ReservationState::Unspecified);
    shop.inventory.on_commit(Behaviour::Answers);
    shop.capture(&odd).await?;
    eventually("it is told of", SOON, async || {
        errors(&log).iter().any(|line| line.contains(&odd.order_id)).then_some(())
    })
    .await?;

    // And nothing is lost by it.
    shop.inventory.bring_all_to(ReservationState::Held);
    shop.in_state(OrderState::Confirmed, &reader, &lost).await?;
    shop.in_state(OrderState::Confirmed, &reader, &odd).await?;
    Ok(())
}
