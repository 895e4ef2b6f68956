use std::time::Duration;

use anyhow::{Context, Result};
use proto::{
    inventory::v1::{self as pb, ReservationState, adjust_stock_request::Change},
    order::v1::OrderCancelled,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use testkit::{eventually, publish};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use values::OrderId;

use crate::harness::{Bookshop, Client, SOON, commit, release, reserve, unique};

/// One call each for `callers` callers, all at once.
async fn all_at_once<T: Send + 'static>(
    callers: usize,
    call: impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = T> + Send>>,
) -> Result<Vec<T>> {
    let mut calls: JoinSet<T> = (0..callers).map(call).collect();
    let mut answers = Vec::new();
    while let Some(answer) = calls.join_next().await {
        answers.push(answer?);
    }
    Ok(answers)
}

fn held(answers: &[Result<pb::Reservation, Status>]) -> usize {
    let is_held = |answer: &&Result<pb::Reservation, _>| matches!(answer, Ok(made) if made.state() == ReservationState::Held);
    answers.iter().filter(is_held).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_who_want_one_of_20_copies_exactly_20_get_one() -> Result<()> {
    let mut bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(20).await?;
    let clients = [bookshop.client()?, bookshop.another_replica().await?];
    let answers = all_at_once(64, |caller| {
        let (client, offer) = (clients[caller % 2].clone(), offer.clone());
        Box::pin(async move { reserve(&client, &format!("key-{caller}"), &[(&offer, 1)]).await })
    })
    .await?;
    assert_eq!(held(&answers), 20);
    assert!(answers.iter().flat_map(Result::as_ref).all(|made| made.lines.len() == 1));
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|refused| refused.code() == Code::FailedPrecondition)
    );
    assert_eq!(owner.counts(&offer).await?, (20, 20));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_from_32_callers_on_two_replicas_is_one_reservation() -> Result<()> {
    let mut bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(20).await?;
    let clients = [bookshop.client()?, bookshop.another_replica().await?];
    for round in 0..10 {
        let answers = all_at_once(32, |caller| {
            let (client, offer) = (clients[caller % 2].clone(), offer.clone());
            Box::pin(async move { reserve(&client, &format!("key-{round}"), &[(&offer, 2)]).await })
        })
        .await?;
        let first = answers[0].as_ref().map_err(Clone::clone)?;
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|made| made == first)));
    }
    assert_eq!(owner.counts(&offer).await?, (20, 20));
    bookshop.assert_the_stock_adds_up().await
}

/// The same keys, and lines that overlap in opposite orders, on two replicas: a step that locked in another order
/// than the others would deadlock here, and one that took stock for a lost key would take it twice.
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_reserve_the_same_never_deadlock_and_never_reserve_twice() -> Result<()> {
    let mut bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let mut offers = Vec::new();
    for _ in 0..6 {
        offers.push(owner.sells(1000).await?);
    }
    let clients = [bookshop.client()?, bookshop.another_replica().await?];
    let keys = 40;
    let answers = all_at_once(keys * 4, |caller| {
        let (client, mut offers) = (clients[caller % 2].clone(), offers.clone());
        let key = caller / 4;
        offers.rotate_left(key % 6);
        if key % 2 == 0 {
            offers.reverse();
        }
        Box::pin(async move {
            let lines: Vec<_> = offers[..4].iter().map(|offer| (offer, 1)).collect();
            let made = reserve(&client, &format!("key-{key}"), &lines).await?;
            let state = match key % 3 {
                0 => commit(&client, &made).await?,
                1 => release(&client, &made).await?,
                _ => made.state(),
            };
            Ok::<_, Status>((key, made.reservation_id, state))
        })
    })
    .await?;
    let mut ids = std::collections::BTreeMap::new();
    for answer in answers {
        let (key, id, _) = answer?;
        assert_eq!(ids.entry(key).or_insert_with(|| id.clone()), &id);
    }
    assert_eq!(ids.len(), keys);
    assert_eq!(bookshop.number("SELECT count(*) FROM reservations").await?, i64::try_from(keys)?);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(bookshop.number(deadlocks).await?, 0);
    bookshop.assert_the_stock_adds_up().await
}

/// What one caller of the random run does.
async fn wander(seed: u64, clients: [Client; 2], offers: Vec<pb::Offer>) -> Result<Vec<pb::Reservation>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mine: Vec<pb::Reservation> = Vec::new();
    for _ in 0..30 {
        let client = &clients[random.random_range(0..2)];
        let outcome = match random.random_range(0..6) {
            0..3 => {
                let start = random.random_range(0..offers.len());
                let lines: Vec<_> = (0..random.random_range(1..4))
                    .map(|step| (&offers[(start + step) % offers.len()], random.random_range(1..4)))
                    .collect();
                // Some keys are shared with other callers and come with other lines.
                let key = format!("key-{}", random.random_range(0..200));
                reserve(client, &key, &lines).await.map(|made| mine.push(made))
            }
            3 => match mine.last() {
                Some(made) => release(client, made).await.map(drop),
                None => continue,
            },
            _ => match mine.last() {
                Some(made) => commit(client, made).await.map(drop),
                None => continue,
            },
        };
        if let Err(status) = outcome {
            let expected = [Code::FailedPrecondition, Code::AlreadyExists];
            anyhow::ensure!(expected.contains(&status.code()), "{status:?}");
        }
    }
    Ok(mine)
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_reservations_agree_after_a_random_run_on_two_replicas() -> Result<()> {
    let mut bookshop =
        Bookshop::open_with(|config| config.reservation_ttl = Duration::from_millis(100)).await?;
    let mut owner = bookshop.owner().await?;
    let mut offers = Vec::new();
    for _ in 0..8 {
        offers.push(owner.sells(25).await?);
    }
    let clients = [bookshop.client()?, bookshop.another_replica().await?];
    let mut callers = JoinSet::new();
    for seed in 0..24 {
        callers.spawn(wander(seed, clients.clone(), offers.clone()));
    }
    // Meanwhile the shop counts, and customers cancel.
    for round in 0..30 {
        let offer = &offers[round % offers.len()];
        match owner.adjusts(offer, Change::Delta(if round % 3 == 0 { -2 } else { 1 })).await {
            Err(status) if status.code() != Code::FailedPrecondition => return Err(status.into()),
            _ => {}
        }
        bookshop.assert_the_stock_adds_up().await?;
    }
    let mut made = Vec::new();
    while let Some(mine) = callers.join_next().await {
        made.extend(mine??);
    }
    for reservation in made.iter().step_by(2) {
        let event = OrderCancelled {
            order_id: OrderId::new().to_string(),
            reservation_id: reservation.reservation_id.clone(),
            ..Default::default()
        };
        publish(&bookshop.broker, &event.order_id.clone(), 2, &event).await?;
    }
    let committed = commit(&clients[0], made.first().context("nothing was reserved")?).await;
    assert!(committed.is_ok(), "{}", unique("still answers"));
    eventually("every reservation to be settled", SOON, async || {
        let open = "SELECT count(*) FROM reservations WHERE state = 'HELD'";
        (bookshop.number(open).await.ok()? == 0).then_some(())
    })
    .await?;
    bookshop.assert_the_stock_adds_up().await
}
