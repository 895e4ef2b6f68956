//! Many calls at a steady rate.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail, ensure};
use mesh::Client;
use proto::{
    identity::v1::{AuthenticateUserRequest, identity_service_client::IdentityServiceClient},
    payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient},
};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tonic::Status;

use crate::replica::Replica;

/// Calls per second.
const RATE: u32 = 500;
/// What an answer takes where endpoints are to be found alike: a machine that stalls them for a few milliseconds makes
/// none of them look slow.
pub(crate) const LONGER_THAN_A_STALL: Duration = Duration::from_millis(50);
/// Who stands still for a moment is avoided for a while: it may take some turns until calls go where they must.
pub(crate) const TURNS: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) made: usize,
    pub(crate) failed: Vec<Status>,
}

/// One load at a time: shares and latencies are of no use if the tests fight over the processors.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn of a test that measures; dropped, it is the next one's.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// Calls for so long, which never fails; says how many calls were made, and how many of them each endpoint got.
pub(crate) async fn spread(
    client: &PaymentServiceClient<Client>,
    duration: Duration,
    endpoints: &[&Replica],
) -> Result<(usize, Vec<usize>)> {
    let calls = || endpoints.iter().map(|endpoint| endpoint.calls());
    let before: Vec<_> = calls().collect();
    let outcome = call_for(client, duration).await;
    ensure!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    Ok((outcome.made, calls().zip(before).map(|(after, before)| after - before).collect()))
}

/// Calls in turns until the spread of one is right.
pub(crate) async fn spreads(
    client: &PaymentServiceClient<Client>,
    duration: Duration,
    endpoints: &[&Replica],
    is_right: impl Fn(usize, &[usize]) -> bool,
) -> Result<()> {
    let mut seen = Vec::new();
    while seen.len() < TURNS {
        let (made, got) = spread(client, duration, endpoints).await?;
        if is_right(made, &got) {
            return Ok(());
        }
        seen.push((made, got));
    }
    bail!("calls made, and what each endpoint got of them, turn by turn: {seen:?}")
}

/// Whether each of them got what is due to it, give or take a fifth.
pub(crate) fn is_even(made: usize, got: &[usize]) -> bool {
    got.iter().all(|calls| (calls * got.len()).abs_diff(made) * 5 <= made)
}

/// Calls an idempotent method for so long, and waits for the last answer.
pub(crate) async fn call_for(client: &PaymentServiceClient<Client>, duration: Duration) -> Outcome {
    repeat(duration, || {
        let mut client = client.clone();
        async move { client.get_balance(GetBalanceRequest::default()).await.map(drop) }
    })
    .await
}

/// Calls a method that isn't.
pub(crate) async fn sign_in_for(client: &IdentityServiceClient<Client>, duration: Duration) -> Outcome {
    repeat(duration, || {
        let mut client = client.clone();
        async move { client.authenticate_user(AuthenticateUserRequest::default()).await.map(drop) }
    })
    .await
}

async fn repeat<F>(duration: Duration, call: impl Fn() -> F) -> Outcome
where
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let mut calls = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    // A machine that is busy makes fewer calls, not a flood of them.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let count = (duration.as_secs_f64() * f64::from(RATE)).round();
    let mut outcome = Outcome::default();
    while f64::from(u32::try_from(outcome.made).unwrap_or(u32::MAX)) < count {
        ticks.tick().await;
        calls.spawn(call());
        outcome.made += 1;
    }
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap_or_else(|panic| Err(Status::from_error(panic.into())));
        outcome.failed.extend(answer.err());
    }
    outcome
}
