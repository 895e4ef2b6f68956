//! What is tried again, and what never is.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use mesh::{BreakerPolicy, BudgetPolicy, Client, Policy, Target};
use proto::{
    identity::v1::{AuthenticateUserRequest, identity_service_client::IdentityServiceClient},
    payment::v1::GetBalanceRequest,
};
use tonic::Code;

use crate::{
    client, eventually,
    load::call_for,
    nobody, patient,
    replica::{Replica, Reply},
};

/// Signing in twice is not like signing in once.
async fn sign_in(addresses: &[SocketAddr]) -> Result<Code> {
    let target = Target::Ipv4(addresses.to_vec());
    let mut client = IdentityServiceClient::new(Client::new("identity", &target, patient(), None));
    let answer = client.authenticate_user(AuthenticateUserRequest::default()).await;
    Ok(answer.map_or_else(|status| status.code(), |_| Code::Ok))
}

#[tokio::test]
async fn what_may_have_been_executed_is_not_repeated() -> Result<()> {
    for reply in [Reply::Cut, Reply::CutAfterHeaders, Reply::Status("14")] {
        let (first, second) = (Replica::start().await?, Replica::start().await?);
        for replica in [&first, &second] {
            replica.reply(reply, Duration::ZERO);
        }
        assert_eq!(sign_in(&[first.address, second.address]).await?, Code::Unavailable, "{reply:?}");
        assert_eq!(first.calls() + second.calls(), 1, "{reply:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_never_executed_is_repeated_elsewhere() -> Result<()> {
    // Often enough that the first choice is the refusing one.
    for reply in [Reply::Refuse, Reply::Refusal(Code::Unavailable, "STARTING")].into_iter().cycle().take(40) {
        let (refuses, well) = (Replica::start().await?, Replica::start().await?);
        refuses.reply(reply, Duration::ZERO);
        assert_eq!(sign_in(&[refuses.address, nobody().await?, well.address]).await?, Code::Ok, "{reply:?}");
        assert_eq!(well.calls(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn an_idempotent_call_is_repeated_elsewhere() -> Result<()> {
    for reply in [Reply::Cut, Reply::CutAfterHeaders, Reply::Status("14"), Reply::Refuse] {
        let (mut met, mut tries) = (0, 0);
        // Which one is chosen first is chance.
        while tries < 10 || (met == 0 && tries < 64) {
            tries += 1;
            let (fails, well) = (Replica::start().await?, Replica::start().await?);
            fails.reply(reply, Duration::ZERO);
            let mut client = client(&[fails.address, well.address], patient())?;
            client.get_balance(GetBalanceRequest::default()).await?;
            assert_eq!(well.calls(), 1, "{reply:?}");
            met += fails.calls();
        }
        assert!(met > 0, "{reply:?}: chance chose the good one {tries} times");
    }
    Ok(())
}

#[tokio::test]
async fn a_callee_that_wants_no_retry_gets_none() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::UnavailableForGood, Duration::ZERO);
    let mut client = client(&[server.address], patient())?;
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(server.calls(), 1);
    Ok(())
}

#[tokio::test]
async fn attempts_end() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::ZERO);
    let mut client = client(&[server.address], patient())?;
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(server.calls(), 3);
    Ok(())
}

async fn attempts_while_down(policy: Policy) -> Result<(usize, usize)> {
    let (first, second) = (Replica::start().await?, Replica::start().await?);
    for replica in [&first, &second] {
        replica.reply(Reply::Status("14"), Duration::ZERO);
    }
    let client = client(&[first.address, second.address], policy)?;
    let outcome = call_for(&client, Duration::from_secs(3)).await;
    assert_eq!(outcome.failed.len(), outcome.made);
    Ok((first.calls() + second.calls(), outcome.made))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependency_that_is_down_is_nearly_left_alone() -> Result<()> {
    let (attempts, calls) = attempts_while_down(patient()).await?;
    assert!(attempts * 2 < calls, "{attempts} attempts of {calls} calls");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_alone_keeps_attempts_near_the_usual() -> Result<()> {
    let never = BreakerPolicy { least_attempts: f64::INFINITY, ..BreakerPolicy::default() };
    let little = BudgetPolicy { saved: 50.0, ..BudgetPolicy::default() };
    let (attempts, calls) =
        attempts_while_down(Policy { breaker: never, budget: little, ..patient() }).await?;
    assert!(attempts * 10 < calls * 12, "{attempts} attempts of {calls} calls");
    assert!(attempts > calls, "some are repeated");
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_away_is_not_connected_to_without_end() -> Result<()> {
    crate::seeing::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut client = client(&[listener.local_addr()?], patient())?;
    // As a server that refuses our certificate: it accepts, and hangs up.
    let hangs_up = tokio::spawn(async move {
        let (began, mut accepted) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(2) {
            let accept = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
            accepted += usize::from(accept.is_ok());
        }
        accepted
    });
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    let accepted = hangs_up.await?;
    assert!(accepted < 30, "{accepted} connections in two seconds");
    Ok(())
}

#[tokio::test]
async fn calls_under_way_end_when_the_connection_drains() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Ok, Duration::from_millis(500));
    let client = client(&[server.address], patient())?;
    let slow = tokio::spawn({
        let mut client = client.clone();
        async move { client.get_balance(GetBalanceRequest::default()).await }
    });
    eventually("it is under way", || server.calls() == 1).await;
    server.drain();
    server.reply(Reply::Ok, Duration::ZERO);
    client.clone().get_balance(GetBalanceRequest::default()).await?;
    slow.await??;
    assert_eq!(server.calls(), 2);
    Ok(())
}

#[tokio::test]
async fn a_call_that_one_replica_sheds_goes_to_one_other() -> Result<()> {
    let overloaded = Reply::Refusal(Code::ResourceExhausted, "OVERLOADED");
    let (first, second) = (Replica::start().await?, Replica::start().await?);
    let calls = || (first.calls(), second.calls());
    let mut both = client(&[first.address, second.address], patient())?;
    while calls().0 == 0 || calls().1 == 0 {
        both.get_balance(GetBalanceRequest::default()).await?;
    }
    first.reply(overloaded, Duration::ZERO);
    let before = calls();
    // The one that shed counts as slow, and is asked again when that is forgotten.
    let deadline = Instant::now() + Duration::from_secs(20);
    while calls().0 == before.0 {
        assert!(Instant::now() < deadline, "it isn't asked");
        both.get_balance(GetBalanceRequest::default()).await?;
    }

    second.reply(overloaded, Duration::ZERO);
    let before = calls();
    let status = both.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(calls(), (before.0 + 1, before.1 + 1), "each is asked once");

    let before = calls();
    let mut alone = client(&[first.address], patient())?;
    assert!(alone.get_balance(GetBalanceRequest::default()).await.is_err());
    assert_eq!(calls(), (before.0 + 1, before.1), "there is nobody else");
    assert_eq!(sign_in(&[first.address, second.address]).await?, Code::ResourceExhausted);
    assert_eq!(calls().0 + calls().1, before.0 + before.1 + 2, "it may have been executed");
    Ok(())
}
