//! Services of a cluster: who is behind them, as their endpoint slices have it.

use std::time::Duration;

use anyhow::Result;
use axum::http::StatusCode;
use mesh::Place;
use proto::payment::v1::GetBalanceRequest;
use tonic::Code;

use crate::{
    cluster::{Cluster, Pod, payment},
    eventually,
    load::{LONGER_THAN_A_STALL, call_for, is_even, spreads, turn},
    replica::{Replica, Reply},
};

const SECOND: Duration = Duration::from_secs(1);

/// One pod a slice, since those of the tests have different ports.
fn scale(cluster: &Cluster, pods: &[&Replica]) {
    for (number, pod) in pods.iter().enumerate() {
        cluster.put(&format!("payment-{number}"), &[Pod::ready(pod.address)]);
    }
}

async fn replicas(count: usize) -> Result<Vec<Replica>> {
    let mut replicas = Vec::new();
    for _ in 0..count {
        replicas.push(Replica::start().await?);
    }
    Ok(replicas)
}

#[tokio::test]
async fn the_endpoints_of_a_service_get_calls_as_they_come_and_go() -> Result<()> {
    let cluster = Cluster::start().await?;
    let [first, second] = &replicas(2).await?[..] else { unreachable!() };
    scale(&cluster, &[first]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;

    cluster.put("payment-1", &[Pod::ready(second.address)]);
    while second.calls() == 0 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    cluster.remove("payment-0");
    eventually("the first one's connections end", || first.open() == 0).await;
    let before = first.calls();
    for _ in 0..20 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    assert_eq!(first.calls(), before, "who left takes no new calls");
    assert_eq!(cluster.lists(), 1, "the rest is watched");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_spread_evenly_over_those_who_come_and_none_is_lost_when_they_go() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    let all = replicas(3).await?;
    for replica in &all {
        replica.reply(Reply::Ok, LONGER_THAN_A_STALL);
    }
    scale(&cluster, &[&all[0]]);
    let client = payment(cluster.kubernetes())?;
    let outcome = call_for(&client, SECOND / 2).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());

    scale(&cluster, &all.iter().collect::<Vec<_>>());
    eventually("all are connected", || all.iter().all(|replica| replica.open() > 0)).await;
    let each: Vec<_> = all.iter().collect();
    spreads(&client, 3 * SECOND, &each, is_even).await?;

    let load = tokio::spawn(async move { call_for(&client, 2 * SECOND).await });
    let seen = all[2].calls();
    eventually("it is under load", || all[2].calls() > seen + 50).await;
    cluster.put("payment-1", &[Pod::leaving(all[1].address)]);
    cluster.put("payment-2", &[Pod::leaving(all[2].address)]);
    eventually("those who leave get no more calls", || all[1].open() + all[2].open() == 0).await;
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    Ok(())
}

#[tokio::test]
async fn those_who_leave_are_better_than_nobody() -> Result<()> {
    let cluster = Cluster::start().await?;
    let leaves = Replica::start().await?;
    cluster.put("payment-0", &[Pod::leaving(leaves.address)]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;

    cluster.put("payment-0", &[Pod::starting(leaves.address)]);
    eventually("nobody is left", || leaves.open() == 0).await;
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no endpoint is known"));
    Ok(())
}

#[tokio::test]
async fn a_watch_that_breaks_goes_on_where_it_was() -> Result<()> {
    let cluster = Cluster::start().await?;
    let all = replicas(2).await?;
    scale(&cluster, &[&all[0]]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    for round in 0..2 {
        eventually("it is watched", || cluster.watches() > round).await;
        // A watch that ends sooner is taken for a failure.
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.bookmark();
        cluster.cut();
    }
    cluster.put("payment-0", &[Pod::ready(all[1].address)]);
    eventually("the newcomer is found", || all[1].open() > 0).await;
    client.get_balance(GetBalanceRequest::default()).await?;
    assert_eq!(cluster.lists(), 1);
    Ok(())
}

#[tokio::test]
async fn what_was_missed_for_good_is_listed_anew() -> Result<()> {
    let cluster = Cluster::start().await?;
    let all = replicas(2).await?;
    scale(&cluster, &[&all[0], &all[1]]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    eventually("it is watched", || cluster.watches() == 1).await;
    cluster.tell_nobody();
    cluster.remove("payment-0");
    cluster.compact();
    cluster.cut();
    eventually("it is listed again", || cluster.lists() >= 2).await;
    eventually("who has left is let go", || all[0].open() == 0).await;
    for _ in 0..20 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_api_that_fails_changes_nothing() -> Result<()> {
    let cluster = Cluster::start().await?;
    let server = Replica::start().await?;
    scale(&cluster, &[&server]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    for failure in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GONE, StatusCode::FORBIDDEN] {
        eventually("it is watched", || cluster.watches() > 0).await;
        cluster.refuse(Some(failure));
        cluster.end_with(500);
        let asked = cluster.lists();
        eventually("it is asked again and again", || cluster.lists() > asked + 1).await;
        for _ in 0..20 {
            client.get_balance(GetBalanceRequest::default()).await?;
        }
    }
    let newcomer = Replica::start().await?;
    scale(&cluster, &[&newcomer]);
    cluster.refuse(None);
    eventually("what happened meanwhile is seen", || newcomer.open() > 0 && server.open() == 0).await;
    Ok(())
}

#[tokio::test]
async fn who_may_not_look_is_unavailable_at_once_and_counted() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.refuse(Some(StatusCode::FORBIDDEN));
    let policy = mesh::Policy { kubernetes: cluster.kubernetes(), ..crate::patient() };
    let client = mesh::Client::new("forbidden", &"k8s:///payment:grpc".parse()?, policy, None);
    let mut client = proto::payment::v1::payment_service_client::PaymentServiceClient::new(client);
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no endpoint is known"));
    let text = telemetry::prometheus_text();
    for line in [
        r#"mesh_client_discovery_failures_total{callee="forbidden",reason="forbidden"} "#,
        r#"mesh_client_discovery_failing{callee="forbidden"} 1"#,
    ] {
        assert!(text.lines().any(|said| said.starts_with(line)), "{line} isn't in\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_endpoint_is_reason_to_doubt_a_silent_watch() -> Result<()> {
    let cluster = Cluster::start().await?;
    let mut all = replicas(2).await?;
    scale(&cluster, &[&all[0]]);
    let mut client = payment(cluster.kubernetes())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    eventually("it is watched", || cluster.watches() == 1).await;
    cluster.tell_nobody();
    scale(&cluster, &[&all[1]]);
    all.remove(0).kill();
    eventually("it is listed again", || cluster.lists() > 1).await;
    eventually("the newcomer is found", || all[0].open() > 0).await;
    client.get_balance(GetBalanceRequest::default()).await?;
    assert_eq!(cluster.lists(), 2);
    Ok(())
}

#[tokio::test]
async fn two_clients_of_one_service_share_a_watch() -> Result<()> {
    let cluster = Cluster::start().await?;
    let server = Replica::start().await?;
    scale(&cluster, &[&server]);
    let kubernetes = cluster.kubernetes();
    for _ in 0..2 {
        let mut clients = [payment(kubernetes.clone())?, payment(kubernetes.clone())?];
        for client in &mut clients {
            client.get_balance(GetBalanceRequest::default()).await?;
        }
        drop(clients);
        eventually("nobody looks any more", || server.open() == 0).await;
    }
    assert!((1..=2).contains(&cluster.lists()), "{}", cluster.lists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_stay_in_their_zone_while_it_can_take_them() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    let mut all = replicas(3).await?;
    for (number, (replica, zone)) in all.iter().zip(["a", "b", "b"]).enumerate() {
        cluster.put(&format!("payment-{number}"), &[Pod::ready(replica.address).at(zone)]);
    }
    // Which zone it is, is said by the pods of another Service on the same node.
    cluster.put("order-0", &[Pod::ready(all[0].address).at("b")]);
    let place = Place { node: Some("node-b".to_owned()), zone: None };
    let client = payment(cluster.kubernetes_at(place))?;
    call_for(&client, SECOND / 2).await;
    eventually("all are connected", || all.iter().all(|replica| replica.open() > 0)).await;
    // Two of three are more than the half that is due to one of two zones.
    spreads(&client, SECOND, &[&all[0]], |made, further| further[0] * 20 < made).await?;

    for near in all.drain(1..) {
        near.kill();
    }
    let before = all[0].calls();
    let outcome = call_for(&client, SECOND).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    assert_eq!(all[0].calls() - before, outcome.made, "the other zone helps out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_with_too_few_endpoints_gives_some_calls_away() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    let all = replicas(4).await?;
    for (number, (replica, zone)) in all.iter().zip(["a", "b", "b", "b"]).enumerate() {
        cluster.put(&format!("payment-{number}"), &[Pod::ready(replica.address).at(zone)]);
    }
    let place = Place { node: None, zone: Some("a".to_owned()) };
    let client = payment(cluster.kubernetes_at(place))?;
    call_for(&client, SECOND / 2).await;
    eventually("all are connected", || all.iter().all(|replica| replica.open() > 0)).await;
    // Two quarters of the calls are due to it.
    let is_due = |made: usize, near: &[usize]| (made * 2 / 5..=made * 3 / 5).contains(&near[0]);
    spreads(&client, 2 * SECOND, &[&all[0]], is_due).await
}
