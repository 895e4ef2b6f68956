//! Random customers, people of shops and staff against a pure model of what each answer may be.
//!
//! `BOOKSTORE_MODEL_SEED` tells the same story again: each street's sequence of actions is a pure function of it.
//! What the machine adds is not: how far the story goes in `BOOKSTORE_MODEL_SECONDS`, how the streets' actions fall between
//! each other's, and what payments and sweepers have done by the time of a call.

use std::{
    env,
    io::{self, Write},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use system_tests::{
    Options, Shop, Street,
    model::{Patience, Script},
};
use tokio::time::Instant;
use uuid::Uuid;

/// Streets next to each other: each has customers and shops of its own, all meet in the same services.
const STREETS: u64 = 3;
/// How long the story goes on if nobody says.
const ORDINARY: u64 = 15;
/// In which all is quiet once nobody does anything.
const QUIET: Duration = Duration::from_secs(30);
/// An order whose card makes people wait outlives its reservation, and sometimes its time.
const PATIENCE: Patience = Patience { payment: Duration::from_secs(10), reservation: Duration::from_secs(1) };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_and_the_databases_agree_with_the_model() -> Result<()> {
    let seed = set("BOOKSTORE_MODEL_SEED")?.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0));
    let seconds = set("BOOKSTORE_MODEL_SECONDS")?.unwrap_or(ORDINARY);
    let options = Options {
        payment_deadline: PATIENCE.payment,
        reservation_ttl: PATIENCE.reservation,
        // Rests wait for all cards.
        variables: vec![("BOOKSTORE_CARD_PATIENCE", "300ms".to_owned())],
        ..Default::default()
    };
    let shop = Shop::start_with(options).await?;

    let told = try_join_all((0..STREETS).map(|street| tell(&shop, seed + street, seconds))).await;
    let told = told.with_context(|| format!("again by BOOKSTORE_MODEL_SEED={seed}"))?;

    let (steps, orders): (Vec<usize>, Vec<Vec<String>>) = told.into_iter().unzip();
    let placed = orders.concat();
    assert!(!placed.is_empty(), "nobody ordered anything in {steps:?} steps");
    writeln!(io::stderr(), "seed {seed}: {steps:?} steps, {} orders", placed.len())?;
    shop.check(&placed).await.with_context(|| format!("again by BOOKSTORE_MODEL_SEED={seed}"))
}

/// A street's story: how many steps it took, and the orders that were placed.
async fn tell(shop: &Shop, seed: u64, seconds: u64) -> Result<(usize, Vec<String>)> {
    let mut street = Street::open(shop, PATIENCE, QUIET).await?;
    let ends = Instant::now() + Duration::from_secs(seconds);
    let mut steps = 0;
    for action in Script::new(seed) {
        if Instant::now() >= ends {
            break;
        }
        steps += 1;
        street.act(action).await.with_context(|| format!("street {seed}, step {steps}"))?;
    }
    street.rest(usize::MAX).await.with_context(|| format!("street {seed}, after {steps} steps"))?;
    Ok((steps, street.orders()))
}

fn set<T: FromStr>(variable: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match env::var(variable) {
        Ok(value) => Ok(Some(value.parse().with_context(|| format!("{variable} is {value:?}"))?)),
        Err(_) => Ok(None),
    }
}
