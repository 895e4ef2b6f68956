//! Load goes to those who are well, and nobody's failure is a caller's.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail};
use mesh::{Client, Target};
use proto::identity::v1::{AuthenticateUserRequest, identity_service_client::IdentityServiceClient};
use tonic::Code;

use crate::{
    client, eventually,
    load::{LONGER_THAN_A_STALL, TURNS, call_for, is_even, sign_in_for, spread, spreads, turn},
    patient,
    replica::{Replica, Reply},
};

const SECOND: Duration = Duration::from_secs(1);

/// Signing in twice is not like signing in once: only what was never executed is repeated.
fn signing_in(addresses: &[SocketAddr]) -> IdentityServiceClient<Client> {
    let target = Target::Ipv4(addresses.to_vec());
    IdentityServiceClient::new(Client::new("identity", &target, patient(), None))
}

/// In percent.
const fn share(mine: usize, its: usize) -> usize {
    mine * 100 / (mine + its)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_endpoints_get_equal_shares() -> Result<()> {
    let _turn = turn().await;
    let (first, second) = (Replica::start().await?, Replica::start().await?);
    for replica in [&first, &second] {
        replica.reply(Reply::Ok, LONGER_THAN_A_STALL);
    }
    let client = client(&[first.address, second.address], patient())?;
    spreads(&client, 3 * SECOND, &[&first, &second], is_even).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_leaves_an_endpoint_that_slows_down_tenfold_and_comes_back() -> Result<()> {
    let _turn = turn().await;
    let (slow, well) = (Replica::start().await?, Replica::start().await?);
    for replica in [&slow, &well] {
        replica.reply(Reply::Ok, Duration::from_millis(15));
    }
    let client = client(&[slow.address, well.address], patient())?;
    call_for(&client, SECOND).await;
    let mut seen = Vec::new();
    while seen.len() < TURNS {
        slow.reply(Reply::Ok, Duration::from_millis(150));
        let (made, left) = spread(&client, 3 * SECOND, &[&slow]).await?;
        let has_left = left[0] * 10 < made;
        slow.reply(Reply::Ok, Duration::from_millis(15));
        let (made, back) = spread(&client, 4 * SECOND, &[&slow]).await?;
        if has_left && back[0] * 4 > made {
            return Ok(());
        }
        seen.push((left, back));
    }
    bail!("calls of the slow one, and then of the one that is well again, turn by turn: {seen:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_endpoint_fails_no_idempotent_call() -> Result<()> {
    let _turn = turn().await;
    let (killed, well) = (Replica::start().await?, Replica::start().await?);
    for replica in [&killed, &well] {
        replica.reply(Reply::Ok, Duration::from_millis(20));
    }
    let client = client(&[killed.address, well.address], patient())?;
    let load = tokio::spawn(async move { call_for(&client, 2 * SECOND).await });
    eventually("both work", || killed.calls() > 200 && well.calls() > 200).await;
    killed.kill();
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{} failed: {:?}", outcome.failed.len(), outcome.failed.first());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_stops_in_good_order_fails_no_call() -> Result<()> {
    let _turn = turn().await;
    let (stopped, well) = (Replica::start().await?, Replica::start().await?);
    for replica in [&stopped, &well] {
        replica.reply(Reply::Ok, Duration::from_millis(20));
    }
    let client = signing_in(&[stopped.address, well.address]);
    let load = tokio::spawn(async move { sign_in_for(&client, 2 * SECOND).await });
    eventually("both work", || stopped.calls() > 200 && well.calls() > 200).await;
    stopped.stop().await;
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{} failed: {:?}", outcome.failed.len(), outcome.failed.first());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_endpoint_fails_no_idempotent_call_and_is_found_again() -> Result<()> {
    let _turn = turn().await;
    let (paused, well) = (Replica::start().await?, Replica::start().await?);
    for replica in [&paused, &well] {
        replica.reply(Reply::Ok, Duration::from_millis(20));
    }
    let client = client(&[paused.address, well.address], mesh::Policy::default())?;
    let load = tokio::spawn({
        let client = client.clone();
        async move { call_for(&client, 5 * SECOND).await }
    });
    eventually("both work", || paused.calls() > 200 && well.calls() > 200).await;
    paused.pause();
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{} failed: {:?}", outcome.failed.len(), outcome.failed.first());

    paused.resume();
    let before = paused.calls();
    for _ in 0..20 {
        call_for(&client, SECOND / 2).await;
        if paused.calls() > before + 200 {
            return Ok(());
        }
    }
    panic!("nobody calls the endpoint that is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_of_age_fail_no_call() -> Result<()> {
    let _turn = turn().await;
    let server = Replica::start().await?;
    server.reply(Reply::Ok, Duration::from_millis(5));
    let client = signing_in(&[server.address]);
    let load = tokio::spawn(async move { sign_in_for(&client, 4 * SECOND).await });
    eventually("calls", || server.calls() > 50).await;
    for connections in [2, 4, 6, 8] {
        eventually("new connections", || server.connections() >= connections).await;
        let seen = server.calls();
        eventually("new calls", || server.calls() > seen + 50).await;
        server.drain();
    }
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{} failed: {:?}", outcome.failed.len(), outcome.failed.first());
    assert_eq!(server.calls(), outcome.made);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_answers_unavailable_is_left() -> Result<()> {
    let _turn = turn().await;
    let (ill, well) = (Replica::start().await?, Replica::start().await?);
    let client = client(&[ill.address, well.address], patient())?;
    call_for(&client, SECOND / 2).await;
    let (ills, wells) = (ill.calls(), well.calls());
    ill.reply(Reply::Status("14"), Duration::ZERO);
    let outcome = call_for(&client, 2 * SECOND).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    let ills = share(ill.calls() - ills, well.calls() - wells);
    assert!(ills < 5, "{ills}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_at_fault_itself_moves_no_load() -> Result<()> {
    let _turn = turn().await;
    for fault in [
        Reply::Status("5"),
        Reply::Status("12"),
        Reply::Status("8"),
        Reply::Refusal(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
    ] {
        let (strict, well) = (Replica::start().await?, Replica::start().await?);
        strict.reply(fault, LONGER_THAN_A_STALL);
        well.reply(Reply::Ok, LONGER_THAN_A_STALL);
        let client = client(&[strict.address, well.address], patient())?;
        let outcome = call_for(&client, SECOND).await;
        let refused = share(outcome.failed.len(), outcome.made - outcome.failed.len());
        assert!((20..=80).contains(&refused), "{fault:?}: {refused}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_leaves_an_endpoint_that_has_too_much_of_it_or_always_errs() -> Result<()> {
    let _turn = turn().await;
    for fault in [
        Reply::Refusal(Code::ResourceExhausted, "OVERLOADED"),
        Reply::Refusal(Code::ResourceExhausted, "QUEUE_FULL"),
        Reply::Status("13"),
    ] {
        let (ill, well) = (Replica::start().await?, Replica::start().await?);
        ill.reply(fault, Duration::from_millis(1));
        let client = client(&[ill.address, well.address], patient())?;
        call_for(&client, SECOND).await;
        let ills = share(ill.calls(), well.calls());
        assert!(ills < 10, "{fault:?}: {ills}");
    }
    Ok(())
}

#[tokio::test]
async fn a_frozen_process_does_not_pass_for_connected() -> Result<()> {
    let (frozen, well) = (Replica::start().await?, Replica::start().await?);
    frozen.pause();
    for _ in 0..10 {
        let mut client = signing_in(&[frozen.address, well.address]);
        for _ in 0..5 {
            client.authenticate_user(AuthenticateUserRequest::default()).await?;
        }
    }
    assert_eq!(well.calls(), 50);
    Ok(())
}
