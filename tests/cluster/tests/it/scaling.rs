use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};
use cluster_tests::{Shop, Traffic};
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};

/// Calls a second: each service has its `SAMPLE` in half a minute, and a machine of two cores has time to spare.
const RATE: u32 = 240;
/// Those that are found by name, or by a watch. Of the gateway's clients each finds it in a way of its own.
const FOUND: [&str; 5] = ["identity", "inventory", "order", "payment", "notification"];
const PODS: usize = 3;
/// One pod's calls may be so much more or less than its share.
const UNEVEN: f64 = 0.2;
/// And so much in the first sample after the deadline: nobody is left out, nor found seconds later.
const LATE: f64 = 0.6;
/// So many calls of a service are spread evenly enough by chance alone.
const SAMPLE: f64 = 900.0;
/// In so long a time it evens out how long each pod has stood still.
const LONGEST: Duration = Duration::from_secs(90);
/// How often calls are counted.
const COUNTED: Duration = Duration::from_secs(2);
const READY: Duration = Duration::from_mins(2);
/// Until a watch has told.
const WATCHED: Duration = Duration::from_secs(10);
/// A record of the cluster's DNS is good for 30 s at most, 5 s where nothing else is said.
const LOOKED_UP: Duration = Duration::from_secs(30 + 5);

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_spread_over_pods_that_come_and_leave_those_that_go_where_names_are_looked_up() -> Result<()> {
    println!("{}", up_and_down("discovery=dns", LOOKED_UP).await?);
    Ok(())
}

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_spread_over_pods_that_come_and_leave_those_that_go_where_endpoints_are_watched() -> Result<()>
{
    println!("{}", up_and_down("discovery=kubernetes", WATCHED).await?);
    Ok(())
}

/// Every service from one pod to three and back to one, while calls go on. Says how they were spread.
async fn up_and_down(discovery: &str, within: Duration) -> Result<String> {
    let mut told = String::new();
    let shop = Shop::shared().await?;
    shop.helm().upgrade(&Shop::shared_with(&[discovery])).await?;
    shop.all_ready().await?;
    shop.scale(&FOUND, 1).await?;
    for service in FOUND {
        shop.rolled_out(service, READY).await?;
    }
    // One pod that has just begun is no match for all at once: it connects with its database first.
    let first = Traffic::start(&shop, RATE / 8).await?;
    first.goes_on(200).await?;
    first.end().await?;
    // Where two cores start ten pods at once, a call may be told to come back.
    let traffic = Traffic::start_patient(&shop, RATE).await?;
    traffic.goes_on(1_000).await?;

    shop.scale(&FOUND, 3).await?;
    for service in FOUND {
        shop.rolled_out(service, READY).await?;
    }
    let ready = Instant::now();
    let spread = try_join_all(FOUND.map(|service| even(&shop, service, ready + within))).await?;
    for (service, calls) in FOUND.iter().zip(spread) {
        writeln!(told, "{service}: {calls:.0?} calls")?;
    }

    shop.scale(&FOUND, 1).await?;
    for service in FOUND {
        shop.rolled_out(service, READY).await?;
    }
    traffic.goes_on(2_000).await?;
    write!(told, "{}", traffic.end().await?)?;
    shop.helm().upgrade(&Shop::shared_with(&[])).await?;
    shop.check().await?;
    Ok(told)
}

/// Waits for a time, beginning before `deadline`, in which the calls of a service are spread evenly over its pods. From
/// the deadline on all of them are called; whoever stands still on a busy machine gets fewer calls for so long, and makes
/// up for it in a longer time.
async fn even(shop: &Shop, service: &str, deadline: Instant) -> Result<Vec<f64>> {
    // What had been counted when each time began.
    let mut begun = Vec::new();
    loop {
        let at = Instant::now();
        let Ok(now) = shop.calls(service).await else {
            // A pod that has just gone, or an API server that is busy.
            ensure!(at < deadline + LONGEST, "the calls of {service} can't be counted");
            sleep(COUNTED).await;
            continue;
        };
        let spread: Vec<_> =
            begun.iter().map(|then| since(then, &now)).filter(|calls| is_sample(calls)).collect();
        if let Some(even) = spread.iter().find(|calls| calls.len() == PODS && is_within(calls, UNEVEN)) {
            return Ok(even.clone());
        }
        if at < deadline {
            begun.push(now);
        }
        let told = || format!("the calls of {service} are spread like this: {spread:.0?}");
        // The time that began last has its sample.
        if spread.len() == begun.len()
            && let Some(last) = spread.last()
        {
            ensure!(last.len() == PODS && is_within(last, LATE), told());
        }
        ensure!(at < deadline + LONGEST, told());
        sleep(COUNTED).await;
    }
}

fn since(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> Vec<f64> {
    now.iter().map(|(pod, calls)| calls - before.get(pod).copied().unwrap_or_default()).collect()
}

fn is_sample(calls: &[f64]) -> bool {
    calls.iter().sum::<f64>() >= SAMPLE
}

/// Whether each is at most by this part of an even share more or less than that.
fn is_within(calls: &[f64], part: f64) -> bool {
    let count = u32::try_from(calls.len()).map_or(1.0, f64::from);
    let share = calls.iter().sum::<f64>() / count;
    calls.iter().all(|calls| (calls - share).abs() <= part * share)
}

#[test]
fn a_fifth_more_or_less_is_even() {
    assert!(is_within(&[100.0, 119.0, 81.0], UNEVEN));
    assert!(!is_within(&[100.0, 125.0, 75.0], UNEVEN));
}
