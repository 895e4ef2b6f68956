//! The replicas of one service: who they are at the moment, and which of them takes the next call.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    Kubernetes, Target,
    balance::{self, Cost},
    dice::Dice,
    endpoint::{Endpoint, Lease, Surroundings, lock},
    metrics::Metrics,
    outlier,
    resolve::{self, Found, Replica, Search},
};

/// The replicas that are known, those of this process's own zone first.
#[derive(Debug, Default)]
struct Present {
    endpoints: Vec<Arc<Endpoint>>,
    near: usize,
    /// Over how many zones they are spread.
    zones: usize,
}

type Members = Arc<Present>;

pub(crate) struct Endpoints {
    /// Nothing until the first look has ended.
    members: watch::Receiver<Option<Members>>,
    changed: Arc<watch::Sender<()>>,
    dice: Arc<Dice>,
    metrics: Metrics,
    /// Held while one is put out, so that not two are counted as the last that may be.
    verdicts: Mutex<()>,
}

/// Why nobody takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// There is no replica.
    Nobody,
    /// There are some, and none can be connected to.
    NotConnected,
}

impl Endpoints {
    /// Begins to look for replicas and to connect to them.
    pub(crate) fn follow(target: &Target, kubernetes: Kubernetes, around: Surroundings) -> Self {
        let (found, members) = watch::channel(None);
        let endpoints = Self {
            members,
            changed: around.changed.clone(),
            dice: around.dice.clone(),
            metrics: around.metrics,
            verdicts: Mutex::default(),
        };
        let search = Search {
            dice: around.dice.clone(),
            doubts: around.doubts.clone(),
            metrics: around.metrics,
            kubernetes,
        };
        let replicas = resolve::follow(target, search);
        tokio::spawn(async move {
            tokio::select! {
                () = keep_up(replicas, &found, &around) => {}
                () = found.closed() => {}
            }
            let last = found.borrow().clone();
            for endpoint in last.iter().flat_map(|members| &members.endpoints) {
                endpoint.retire();
            }
        });
        endpoints
    }

    /// A connection for one call, not to those that were tried if there are others.
    ///
    /// Waits for the first look, and while nobody is connected until somebody is or all have refused.
    pub(crate) async fn acquire(&self, tried: &[SocketAddr]) -> Result<Lease, Unreachable> {
        if let Some(lease) = self.pick(tried) {
            return Ok(lease);
        }
        let mut members = self.members.clone();
        let mut changed = self.changed.subscribe();
        let mut refusals: HashMap<SocketAddr, u64> = HashMap::new();
        loop {
            let present = members.borrow_and_update().clone();
            if present.as_ref().is_some_and(|present| present.endpoints.is_empty()) {
                return Err(Unreachable::Nobody);
            }
            if let Some(lease) = self.pick(tried) {
                return Ok(lease);
            }
            let mut is_hopeless = present.is_some();
            for endpoint in present.iter().flat_map(|members| &members.endpoints) {
                let before = *refusals.entry(endpoint.address).or_insert_with(|| {
                    endpoint.want();
                    endpoint.refusals()
                });
                is_hopeless &= endpoint.refusals() > before;
            }
            if is_hopeless {
                return Err(Unreachable::NotConnected);
            }
            let is_followed = tokio::select! {
                seen = members.changed() => seen.is_ok(),
                seen = changed.changed() => seen.is_ok(),
            };
            if !is_followed {
                return Err(Unreachable::Nobody);
            }
        }
    }

    /// Of those that are connected, by preference: well and not tried, well, not tried, any. Of these, those of the own
    /// zone, as far as they can be expected to do it.
    fn pick(&self, tried: &[SocketAddr]) -> Option<Lease> {
        let members = self.members.borrow().clone()?;
        let now = Instant::now();
        let rank = |endpoint: &Endpoint| {
            let is_unwell = endpoint.is_out(now) || endpoint.is_silent(now);
            2 * u8::from(is_unwell) + u8::from(tried.contains(&endpoint.address))
        };
        let connected = members.endpoints.iter().enumerate().filter(|(_, it)| it.is_connected());
        let mut connected: Vec<_> =
            connected.map(|(position, it)| (rank(it), position < members.near, it)).collect();
        let best = connected.iter().map(|(rank, ..)| *rank).min()?;
        connected.retain(|(rank, ..)| *rank == best);
        let near = connected.iter().filter(|(_, is_near, _)| *is_near).count();
        let costs: Vec<_> = connected.iter().map(|(.., endpoint)| endpoint.cost(now)).collect();
        let chosen = self.choose(&costs, near, members.zones)?;
        connected.get(chosen)?.2.lease()
    }

    /// The position of one, when the first so many are in the own zone.
    fn choose(&self, costs: &[Cost], near: usize, zones: usize) -> Option<usize> {
        let (own, further) = costs.split_at(near);
        if own.is_empty() || further.is_empty() {
            return balance::choose(costs, &self.dice);
        }
        let elsewhere = near + balance::choose(further, &self.dice)?;
        if !self.dice.says(balance::share_that_stays(near, costs.len(), zones)) {
            return Some(elsewhere);
        }
        let here = balance::choose(own, &self.dice)?;
        Some(if costs[here].is_worth_leaving_for(costs[elsewhere]) { elsewhere } else { here })
    }

    /// Whether anybody is connected and doesn't keep callers waiting in silence; nothing before the first look has ended.
    pub(crate) fn any_answers(&self, now: Instant) -> Option<bool> {
        let members = self.members.borrow();
        let members = members.as_ref()?;
        Some(members.endpoints.iter().any(|endpoint| endpoint.is_connected() && !endpoint.is_silent(now)))
    }

    pub(crate) fn has_another(&self, than: SocketAddr) -> bool {
        let members = self.members.borrow();
        members.iter().flat_map(|it| &it.endpoints).any(|it| it.address != than && it.is_connected())
    }

    /// Notes a failure, and puts the endpoint out if it was one too many.
    pub(crate) fn failed(&self, endpoint: &Arc<Endpoint>, took: Duration, now: Instant) {
        if !endpoint.failed(took, now) {
            return;
        }
        let _one_at_a_time = lock(&self.verdicts);
        let members = self.members.borrow().clone().unwrap_or_default();
        let out = members.endpoints.iter().filter(|endpoint| endpoint.is_out(now)).count();
        if outlier::may_put_out(members.endpoints.len(), out) && !endpoint.is_out(now) {
            let until = endpoint.put_out(now);
            tracing::debug!(address = %endpoint.address, seconds = (until - now).as_secs(), "put out");
            let metrics = self.metrics;
            metrics.ejected();
            metrics.endpoints_ejected(1);
            tokio::spawn(async move {
                sleep_until(until).await;
                metrics.endpoints_ejected(-1);
            });
        }
    }
}

/// Connects to those who come and lets go of those who leave.
async fn keep_up(
    mut replicas: resolve::Replicas,
    found: &watch::Sender<Option<Members>>,
    around: &Surroundings,
) {
    loop {
        let now = replicas.borrow_and_update().clone();
        if let Some(Found { replicas, zones }) = now {
            let before = found.borrow().clone().unwrap_or_default();
            let known = |address| before.endpoints.iter().find(|known| known.address == address).cloned();
            let added = |address| Endpoint::new(address, around).map(Arc::new);
            let endpoint = |it: &Replica| known(it.address).or_else(|| added(it.address));
            let (near, further): (Vec<_>, Vec<_>) = replicas.iter().partition(|it| it.is_near);
            let mut endpoints: Vec<_> = near.into_iter().filter_map(endpoint).collect();
            let near = endpoints.len();
            endpoints.extend(further.into_iter().filter_map(endpoint));
            let present = Arc::new(Present { endpoints, near, zones });
            found.send_replace(Some(present.clone()));
            let has_left =
                |it: &&Arc<Endpoint>| !present.endpoints.iter().any(|other| Arc::ptr_eq(it, other));
            for endpoint in before.endpoints.iter().filter(has_left) {
                endpoint.retire();
            }
        }
        if replicas.changed().await.is_err() {
            // They are fixed.
            std::future::pending::<()>().await;
        }
    }
}
