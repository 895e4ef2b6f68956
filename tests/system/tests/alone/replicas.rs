use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, bail};
use proto::inventory::v1::{GetBookDetailsRequest, get_book_details_request};
use system_tests::{Book, Load, Options, Replica, Service, Shop};
use testkit::eventually;
use tokio::time::Instant;

use crate::machine;

/// Calls a second.
const RATE: u32 = 500;
/// Calls a second that leave a busy machine time, so that a call takes what it takes and not what others leave it.
const LEISURELY: u32 = 100;
/// A connection has a second to be made, in which two flights come over the detour.
const LONGEST_DETOUR: Duration = Duration::from_millis(200);
const FIRST: Replica = Service::Inventory.replica(0);
const SECOND: Replica = Service::Inventory.replica(1);
/// The names of a shop are good for a second.
const NOTICED: Duration = Duration::from_secs(1 + 5);
/// Whom nobody calls for so long, longer than a name is good for, has left, and is not just avoided.
const STILL: Duration = Duration::from_secs(2);
/// A service's calls by method.
const CALLS: &str = "rpc_server_duration_seconds_count";
const READS: &str = r#"rpc_method="GetBookDetails""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_well_share_the_calls_and_those_that_come_and_go_are_noticed() -> Result<()> {
    let _machine = machine().await;
    let (shop, load) = shop_under_load(RATE).await?;

    let share = share_becomes(&shop, &load, 4_000, 0.4..=0.6).await?;
    let removed = leaves(&shop, &load).await?;
    let before = reads(&shop).await?[1];
    load.goes_on(500).await?;
    assert!((reads(&shop).await?[1] - before).abs() < 0.5, "called after it had left");

    shop.list(Service::Inventory, &[0, 1])?;
    let added = Instant::now();
    eventually("calls to the replica that came", NOTICED, async || {
        (reads(&shop).await.ok()?[1] > before).then_some(())
    })
    .await?;
    println!("share {share:.3}, left after {removed:.1?}, used after {:.1?}", added.elapsed());
    load.succeeds().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_is_stopped_or_killed() -> Result<()> {
    let _machine = machine().await;
    let (shop, load) = shop_under_load(RATE).await?;

    load.goes_on(500).await?;
    shop.stop_one(SECOND).await?;
    load.goes_on(500).await?;
    shop.start_again(SECOND).await?;
    is_used(&shop, SECOND).await?;
    shop.kill(FIRST).await?;
    load.goes_on(500).await?;
    shop.start_again(FIRST).await?;
    is_used(&shop, FIRST).await?;
    shop.kill(SECOND).await?;
    load.goes_on(500).await?;

    println!("{} calls", load.answered());
    load.succeeds().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_leave_a_replica_that_hangs_and_come_back() -> Result<()> {
    let _machine = machine().await;
    let (shop, load) = shop_under_load(RATE).await?;
    load.goes_on(500).await?;

    let paused = Instant::now();
    shop.pause(SECOND).await?;
    let before = load.answered();
    tokio::time::sleep_until(paused + Duration::from_secs(5)).await;
    let meanwhile = load.answered() - before;
    shop.resume(SECOND).await?;
    is_used(&shop, SECOND).await?;

    println!("{meanwhile} calls during the pause, {} in all", load.answered());
    // If each call in two waited for it, all callers would soon wait.
    assert!(meanwhile > 200, "only {meanwhile} calls were answered during the pause");
    load.succeeds().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_move_off_a_replica_that_is_ten_times_as_slow() -> Result<()> {
    let _machine = machine().await;
    let (shop, load) = shop_under_load(LEISURELY).await?;
    load.goes_on(500).await?;
    let [mut seconds, mut calls] = [0.0, 0.0];
    for number in 0..2 {
        let gateway = Service::Gateway.replica(number);
        seconds += shop.metric(gateway, "rpc_client_duration_seconds_sum", READS).await?;
        calls += shop.metric(gateway, "rpc_client_duration_seconds_count", READS).await?;
    }
    let usual = Duration::from_secs_f64(seconds / calls);

    leaves(&shop, &load).await?;
    let before = reads(&shop).await?;
    let delay = 9 * usual;
    let _detour = shop.delay_second(Service::Inventory, delay).await?;
    // On a machine so busy that it is longer, no connection is made in time: not a call goes there, which is as well.
    if delay < LONGEST_DETOUR {
        eventually("calls over the detour", NOTICED, async || {
            (reads(&shop).await.ok()?[1] > before[1]).then_some(())
        })
        .await?;
    }
    let share = share_becomes(&shop, &load, 1_500, 0.0..=0.25).await?;
    println!("usually {usual:.1?}, the slow one's share {share:.3}");
    load.succeeds().await
}

/// Two replicas of each service, and somebody who reads through the gateways.
async fn shop_under_load(rate: u32) -> Result<(Shop, Load)> {
    let shop = Shop::start_with(Options { replicas: 2, ..Default::default() }).await?;
    let book = shop.seller().await?.add_book(1_000, 1).await?;
    let clients = shop.clients()?;
    let load = Load::start(rate, move |_| {
        let (mut inventory, request) = (clients.inventory(), request(&book));
        async move { Ok(inventory.get_book_details(request).await.map(drop)?) }
    });
    for replica in [FIRST, SECOND] {
        is_used(&shop, replica).await?;
    }
    Ok((shop, load))
}

fn request(book: &Book) -> GetBookDetailsRequest {
    GetBookDetailsRequest { book: Some(get_book_details_request::Book::EditionId(book.edition_id.clone())) }
}

/// How many reads each replica has answered since it started.
async fn reads(shop: &Shop) -> Result<[f64; 2]> {
    Ok([shop.metric(FIRST, CALLS, READS).await?, shop.metric(SECOND, CALLS, READS).await?])
}

/// The second replica's part in so many calls. Who stands still for a moment is avoided for a while: so it may take some
/// turns until the share is as it must be.
async fn share_becomes(shop: &Shop, load: &Load, calls: usize, right: RangeInclusive<f64>) -> Result<f64> {
    const TURNS: usize = 5;
    let mut shares = Vec::new();
    while shares.len() < TURNS {
        let before = reads(shop).await?;
        load.goes_on(calls).await?;
        let after = reads(shop).await?;
        let share = (after[1] - before[1]) / (after[0] + after[1] - before[0] - before[1]);
        if right.contains(&share) {
            return Ok(share);
        }
        shares.push(share);
    }
    bail!("the second replica took {shares:.3?} of the calls, not {right:?}")
}

/// Takes the second replica's name away and waits until nobody calls it; says after how long it got its last call.
async fn leaves(shop: &Shop, load: &Load) -> Result<Duration> {
    let mut calls = reads(shop).await?[1];
    shop.list(Service::Inventory, &[0])?;
    let removed = Instant::now();
    let mut last = removed;
    eventually("no more calls to the replica that left", NOTICED + STILL, async || {
        load.goes_on(50).await.ok()?;
        let now = reads(shop).await.ok()?[1];
        if now > calls {
            (calls, last) = (now, Instant::now());
        }
        (last.elapsed() >= STILL).then_some(())
    })
    .await?;
    Ok(last - removed)
}

/// Waits until a replica gets calls.
async fn is_used(shop: &Shop, replica: Replica) -> Result<()> {
    let before = shop.metric(replica, CALLS, READS).await?;
    eventually(&format!("calls to {replica}"), Duration::from_secs(20), async || {
        (shop.metric(replica, CALLS, READS).await.ok()? > before + 10.0).then_some(())
    })
    .await
}
