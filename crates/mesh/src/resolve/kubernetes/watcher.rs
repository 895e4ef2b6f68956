//! Keeps up with the slices of one Service: lists them, then watches, and lists anew when the watch is of no use any more.
//! What is known is replaced by what is known better, never by an error.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, VersionMatch, WatchEvent, WatchParams},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Service, Shared, Watched, api, failure::Failure, slices::Slices};
use crate::{dice::Dice, metrics::Metrics, resolve::trouble::Trouble};

/// A version that every API server has seen.
const ANY: &str = "0";
/// How long an answer of the API may take to begin.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the API keeps a watch open, in seconds, and how much later it ends here.
const WATCH: u32 = 240;
const MARGIN: Duration = Duration::from_secs(10);
/// The pause after a failure at first and at most; doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A watch that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// How long a watch may say nothing of a connection that was lost, and how often at most the slices are listed for that.
const DOUBT: Duration = Duration::from_secs(1);
const DOUBTS: Duration = Duration::from_secs(10);

/// Until it is dropped.
pub(super) async fn keep_up(
    shared: &Shared,
    service: &Service,
    watched: &Watched,
    dice: &Dice,
    metrics: Metrics,
) {
    let mut trouble = Trouble::new(metrics);
    let mut pause = SHORTEST_PAUSE;
    let mut version = ANY.to_owned();
    loop {
        let began = Instant::now();
        let Err(failure) = follow(shared, service, watched, dice, &mut trouble, &mut version).await else {
            continue;
        };
        if matches!(failure, Failure::Gone | Failure::Refused(_)) {
            // Also that of a store that was restored from a copy, which has never seen it.
            ANY.clone_into(&mut version);
        }
        let was_steady = began.elapsed() >= STEADY;
        if was_steady {
            pause = SHORTEST_PAUSE;
            if matches!(failure, Failure::Gone) {
                // As after a long pause of this process: nothing is wrong.
                continue;
            }
        }
        if trouble.begun(failure.reason()) {
            tracing::warn!(
                service = service.name,
                namespace = service.namespace,
                error = &failure as &dyn std::error::Error,
                "can't be watched; the replicas known before stay"
            );
        }
        watched.slices.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert_default();
            is_first
        });
        sleep(dice.between(pause, 0.5, 1.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Lists and watches, until there is reason to list again.
async fn follow(
    shared: &Shared,
    service: &Service,
    watched: &Watched,
    dice: &Dice,
    trouble: &mut Trouble,
    version: &mut String,
) -> Result<(), Failure> {
    let api = slices_in(shared, service.namespace.as_deref()).await?;
    let mine = format!("kubernetes.io/service-name={}", service.name);
    let listed = Instant::now();
    let mut slices;
    (slices, *version) = list(&api, &mine, version).await?;
    watched.slices.send_replace(Some(slices.clone()));

    let watch = WatchParams { timeout: Some(WATCH), bookmarks: true, ..WatchParams::default().labels(&mine) };
    loop {
        let events = timeout(ANSWER, api.watch(&watch, version)).await.map_err(|_| Failure::Silent)??;
        let mut events = pin!(events);
        if trouble.over() {
            tracing::info!(service = service.name, "watched again");
        }
        let began = Instant::now();
        let end = began + Duration::from_secs(WATCH.into()) + MARGIN;
        let mut doubtful: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep_until(end) => return Err(Failure::Silent),
                () = watched.doubts.notified() => {
                    let earliest = (Instant::now() + DOUBT).max(listed + DOUBTS);
                    doubtful.get_or_insert_with(|| earliest + dice.between(DOUBT, 0.0, 1.0));
                    continue;
                }
                () = sleep_until(doubtful.unwrap_or(end)), if doubtful.is_some() => return Ok(()),
            };
            // Who speaks is there.
            doubtful = None;
            let Some(event) = event else { break };
            match event? {
                WatchEvent::Added(slice) | WatchEvent::Modified(slice) => {
                    note(version, &slice);
                    slices.put(slice);
                }
                WatchEvent::Deleted(slice) => {
                    note(version, &slice);
                    slices.remove(&slice);
                }
                WatchEvent::Bookmark(mark) => {
                    *version = mark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => return Err((*status).into()),
            }
            watched.slices.send_if_modified(|known| {
                let is_new = known.as_ref() != Some(&slices);
                if is_new {
                    *known = Some(slices.clone());
                }
                is_new
            });
        }
        if began.elapsed() < SHORTEST_PAUSE {
            return Err(Failure::Short);
        }
    }
}

/// Everything in this process's own namespace, where it has an endpoint itself.
pub(super) async fn neighbours(shared: &Shared) -> Result<Slices, Failure> {
    let api = slices_in(shared, None).await?;
    Ok(list(&api, "", ANY).await?.0)
}

async fn slices_in(shared: &Shared, namespace: Option<&str>) -> Result<Api<EndpointSlice>, Failure> {
    let client = api::client(shared).await?.clone();
    Ok(match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::default_namespaced(client),
    })
}

fn note(version: &mut String, slice: &EndpointSlice) {
    if let Some(newer) = slice.resource_version() {
        *version = newer;
    }
}

/// From the API server's cache, as kube-proxy does, which is no older than a version that was seen before; with the
/// version from which to watch.
async fn list(api: &Api<EndpointSlice>, labels: &str, version: &str) -> Result<(Slices, String), Failure> {
    let mut params = ListParams::default().matching(VersionMatch::NotOlderThan).at(version);
    if !labels.is_empty() {
        params = params.labels(labels);
    }
    let listed = timeout(ANSWER, api.list(&params)).await.map_err(|_| Failure::Silent)??;
    let version = listed.metadata.resource_version.unwrap_or_default();
    let mut slices = Slices::default();
    for slice in listed.items {
        slices.put(slice);
    }
    Ok((slices, version))
}
