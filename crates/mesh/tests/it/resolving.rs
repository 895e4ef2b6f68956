//! Names: what they stand for, when that changes, and when nobody knows.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Result;
use mesh::{Client, Policy};
use proto::payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    eventually,
    load::{LONGER_THAN_A_STALL, call_for, is_even, spreads, turn},
    names::{Names, Zone},
    patient,
    replica::{Replica, Reply},
};

fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// Two replicas on one port, as pods have it.
async fn two() -> Result<(Replica, Replica)> {
    loop {
        let first = Replica::start().await?;
        let beside = SocketAddr::new(local(2), first.address.port());
        if let Ok(second) = Replica::listen(beside, None).await {
            return Ok((first, second));
        }
    }
}

/// As many, on addresses one after the other.
async fn three() -> Result<Vec<Replica>> {
    loop {
        let (first, second) = two().await?;
        let beside = SocketAddr::new(local(3), first.address.port());
        if let Ok(third) = Replica::listen(beside, None).await {
            return Ok(vec![first, second, third]);
        }
    }
}

fn client(names: &Names, port: u16, policy: Policy) -> Result<PaymentServiceClient<Client>> {
    let target = format!("dns://{}/payment-headless:{port}", names.address).parse()?;
    Ok(PaymentServiceClient::new(Client::new("payment", &target, policy, None)))
}

#[tokio::test]
async fn every_record_gets_calls() -> Result<()> {
    let _turn = turn().await;
    let (first, second) = two().await?;
    for replica in [&first, &second] {
        replica.reply(Reply::Ok, LONGER_THAN_A_STALL);
    }
    let names = Names::start(Zone::Records(vec![local(1), local(2)], 60)).await?;
    let client = client(&names, first.address.port(), patient())?;
    let outcome = call_for(&client, Duration::from_secs(1)).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    assert!(first.calls() > 100 && second.calls() > 100, "{} {}", first.calls(), second.calls());
    Ok(())
}

#[tokio::test]
async fn records_of_both_kinds_are_used() -> Result<()> {
    let _turn = turn().await;
    let first = Replica::start().await?;
    let beside = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), first.address.port());
    // Not every machine has the protocol.
    let Ok(second) = Replica::listen(beside, None).await else { return Ok(()) };
    for replica in [&first, &second] {
        replica.reply(Reply::Ok, LONGER_THAN_A_STALL);
    }
    let names = Names::start(Zone::Records(vec![local(1), beside.ip()], 60)).await?;
    let client = client(&names, first.address.port(), patient())?;
    call_for(&client, Duration::from_secs(1)).await;
    assert!(first.calls() > 100 && second.calls() > 100, "{} {}", first.calls(), second.calls());
    Ok(())
}

#[tokio::test]
async fn a_change_is_followed_and_calls_under_way_end() -> Result<()> {
    let (leaves, comes) = two().await?;
    let names = Names::start(Zone::Records(vec![local(1)], 2)).await?;
    let client = client(&names, leaves.address.port(), patient())?;
    client.clone().get_balance(GetBalanceRequest::default()).await?;
    leaves.reply(Reply::Ok, Duration::from_secs(6));
    let slow = tokio::spawn({
        let mut client = client.clone();
        async move { client.get_balance(GetBalanceRequest::default()).await }
    });
    eventually("it is under way", || leaves.calls() == 2).await;

    names.set(Zone::Records(vec![local(2)], 2));
    let changed = Instant::now();
    leaves.reply(Reply::Ok, Duration::ZERO);
    while comes.calls() == 0 {
        client.clone().get_balance(GetBalanceRequest::default()).await?;
        assert!(changed.elapsed() < Duration::from_secs(7), "a TTL and 5 s: took {:?}", changed.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let last = leaves.calls();
    call_for(&client, Duration::from_millis(500)).await;
    assert_eq!(leaves.calls(), last, "who left takes no new calls");
    slow.await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_get_even_shares_though_no_connection_was_lost() -> Result<()> {
    let _turn = turn().await;
    let all = three().await?;
    for replica in &all {
        replica.reply(Reply::Ok, LONGER_THAN_A_STALL);
    }
    let names = Names::start(Zone::Records(vec![local(1)], 2)).await?;
    let client = client(&names, all[0].address.port(), patient())?;
    call_for(&client, Duration::from_millis(500)).await;

    names.set(Zone::Records(vec![local(1), local(2), local(3)], 2));
    let changed = Instant::now();
    eventually("all are connected", || all.iter().all(|replica| replica.open() > 0)).await;
    assert!(changed.elapsed() < Duration::from_secs(7), "a TTL and 5 s: took {:?}", changed.elapsed());
    let each: Vec<_> = all.iter().collect();
    spreads(&client, Duration::from_secs(3), &each, is_even).await?;

    names.set(Zone::Records(vec![local(1)], 2));
    let changed = Instant::now();
    eventually("those who left are let go", || all[1].open() + all[2].open() == 0).await;
    assert!(changed.elapsed() < Duration::from_secs(7), "a TTL and 5 s: took {:?}", changed.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_lost_connection_is_reason_to_look_again() -> Result<()> {
    let (dies, comes) = two().await?;
    let names = Names::start(Zone::Records(vec![local(1)], 3600)).await?;
    let mut client = client(&names, dies.address.port(), patient())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    names.set(Zone::Records(vec![local(2)], 3600));
    dies.kill();
    let killed = Instant::now();
    while client.get_balance(GetBalanceRequest::default()).await.is_err() {
        assert!(killed.elapsed() < Duration::from_secs(5), "the TTL is an hour: took {:?}", killed.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(comes.calls() > 0);
    assert!(names.queries() < 30, "{} queries", names.queries());
    Ok(())
}

#[tokio::test]
async fn an_empty_answer_is_unavailable_at_once() -> Result<()> {
    let names = Names::start(Zone::Records(Vec::new(), 60)).await?;
    let mut client = client(&names, 1, patient())?;
    let began = Instant::now();
    for _ in 0..50 {
        let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "no endpoint is known"));
        let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert!(retry.is_some_and(|delay| !delay.is_zero()), "when to come back: {status}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_resolver_that_fails_changes_nothing() -> Result<()> {
    let server = Replica::start().await?;
    let names = Names::start(Zone::Records(vec![local(1)], 1)).await?;
    let mut client = client(&names, server.address.port(), patient())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    names.set(Zone::ServerFailure);
    let asked = names.queries();
    eventually("it was looked up again", || names.queries() > asked + 4).await;
    for _ in 0..20 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    Ok(())
}
