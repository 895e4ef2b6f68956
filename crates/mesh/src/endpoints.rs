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
    Target, balance,
    dice::Dice,
    endpoint::{Endpoint, Lease, Surroundings, lock},
    metrics::Metrics,
    outlier, resolve,
};

type Members = Arc<[Arc<Endpoint>]>;

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
    pub(crate) fn follow(target: &Target, around: Surroundings) -> Self {
        let (found, members) = watch::channel(None);
        let endpoints = Self {
            members,
            changed: around.changed.clone(),
            dice: around.dice.clone(),
            metrics: around.metrics,
            verdicts: Mutex::default(),
        };
        let replicas = resolve::follow(target, around.dice.clone(), &around.doubts);
        tokio::spawn(async move {
            tokio::select! {
                () = keep_up(replicas, &found, &around) => {}
                () = found.closed() => {}
            }
            let last = found.borrow().clone();
            for endpoint in last.iter().flat_map(|members| members.iter()) {
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
            if present.as_ref().is_some_and(|present| present.is_empty()) {
                return Err(Unreachable::Nobody);
            }
            if let Some(lease) = self.pick(tried) {
                return Ok(lease);
            }
            let mut is_hopeless = present.is_some();
            for endpoint in present.iter().flat_map(|members| members.iter()) {
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

    /// Of those that are connected, by preference: well and not tried, well, not tried, any.
    fn pick(&self, tried: &[SocketAddr]) -> Option<Lease> {
        let members = self.members.borrow().clone()?;
        let now = Instant::now();
        let rank = |endpoint: &Endpoint| {
            let is_unwell = endpoint.is_out(now) || endpoint.is_silent(now);
            2 * u8::from(is_unwell) + u8::from(tried.contains(&endpoint.address))
        };
        let mut connected: Vec<_> =
            members.iter().filter(|it| it.is_connected()).map(|it| (rank(it), it)).collect();
        let best = connected.iter().map(|(rank, _)| *rank).min()?;
        connected.retain(|(rank, _)| *rank == best);
        let costs: Vec<_> = connected.iter().map(|(_, endpoint)| endpoint.cost(now)).collect();
        connected.get(balance::choose(&costs, &self.dice)?)?.1.lease()
    }

    /// Whether anybody is connected and doesn't keep callers waiting in silence; nothing before the first look has ended.
    pub(crate) fn any_answers(&self, now: Instant) -> Option<bool> {
        let members = self.members.borrow();
        let members = members.as_ref()?;
        Some(members.iter().any(|endpoint| endpoint.is_connected() && !endpoint.is_silent(now)))
    }

    pub(crate) fn has_another(&self, than: SocketAddr) -> bool {
        let members = self.members.borrow();
        members.iter().flat_map(|it| it.iter()).any(|it| it.address != than && it.is_connected())
    }

    /// Notes a failure, and puts the endpoint out if it was one too many.
    pub(crate) fn failed(&self, endpoint: &Arc<Endpoint>, took: Duration, now: Instant) {
        if !endpoint.failed(took, now) {
            return;
        }
        let _one_at_a_time = lock(&self.verdicts);
        let members = self.members.borrow().clone().unwrap_or_else(|| Arc::new([]));
        let out = members.iter().filter(|endpoint| endpoint.is_out(now)).count();
        if outlier::may_put_out(members.len(), out) && !endpoint.is_out(now) {
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
        let addresses = replicas.borrow_and_update().clone();
        if let Some(addresses) = addresses {
            let before = found.borrow().clone().unwrap_or_else(|| Arc::new([]));
            let known = |address| before.iter().find(|known| known.address == address).cloned();
            let added = |address| Endpoint::new(address, around).map(Arc::new);
            let present: Members = addresses
                .into_iter()
                .filter_map(|address| known(address).or_else(|| added(address)))
                .collect();
            found.send_replace(Some(present.clone()));
            for endpoint in before.iter().filter(|before| !present.iter().any(|it| Arc::ptr_eq(it, before))) {
                endpoint.retire();
            }
        }
        if replicas.changed().await.is_err() {
            // They are fixed.
            std::future::pending::<()>().await;
        }
    }
}
