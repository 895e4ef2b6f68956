//! The endpoints of a Kubernetes Service, watched.

mod api;
mod failure;
mod slices;
mod watcher;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::{
    sync::{Notify, OnceCell, watch},
    time::Instant,
};

use self::slices::Slices;
use super::{Found, Replicas, Search};
use crate::{endpoint::lock, target::ServicePort};

/// How often the API is asked at most in which zone this process is.
const ASK_FOR_ZONE: Duration = Duration::from_mins(1);

/// The Kubernetes API, as `k8s:///` targets ask it. Clones share what they know and watch; nothing is read or connected to
/// before the first such target is called.
#[derive(Clone, Default)]
pub struct Kubernetes(Arc<Shared>);

/// Where in the cluster this process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The node, by whose other pods the zone is found if it isn't given.
    pub node: Option<String>,
    /// The zone, as `topology.kubernetes.io/zone` has it.
    pub zone: Option<String>,
}

#[derive(Default)]
struct Shared {
    /// What every pod is given, if absent.
    config: Option<kube::Config>,
    place: Place,
    client: OnceCell<kube::Client>,
    zone: OnceLock<String>,
    /// When the API was last asked for the zone.
    asked: Mutex<Option<Instant>>,
    watched: Mutex<HashMap<Service, Arc<Watched>>>,
}

/// A Service; in this process's own namespace if none is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
}

/// One watch, for all who look at the Service.
struct Watched {
    /// Nothing until the first look has ended.
    slices: watch::Sender<Option<Slices>>,
    doubts: Notify,
}

impl Kubernetes {
    /// The API of the cluster in which this process is a pod.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self(Arc::new(Shared { place, ..Shared::default() }))
    }

    /// Another cluster's API, as of one that this process is outside of.
    #[must_use]
    pub fn at(config: kube::Config, place: Place) -> Self {
        Self(Arc::new(Shared { config: Some(config), place, ..Shared::default() }))
    }

    /// The zone of this process, if it can be known.
    async fn zone(&self, slices: &Slices) -> Option<&str> {
        let Shared { place, zone, .. } = &*self.0;
        if let Some(known) = place.zone.as_deref().or(zone.get().map(String::as_str)) {
            return Some(known);
        }
        let node = place.node.as_deref()?;
        let found = match slices.zone_of(node) {
            Some(found) => found.to_owned(),
            None => self.ask_for_zone(node).await?,
        };
        tracing::info!(node, zone = found, "endpoints in this zone come first");
        Some(zone.get_or_init(|| found))
    }

    async fn ask_for_zone(&self, node: &str) -> Option<String> {
        {
            let mut asked = lock(&self.0.asked);
            if asked.is_some_and(|at| at.elapsed() < ASK_FOR_ZONE) {
                return None;
            }
            *asked = Some(Instant::now());
        }
        match watcher::neighbours(&self.0).await {
            Ok(slices) => slices.zone_of(node).map(ToOwned::to_owned),
            Err(error) => {
                tracing::debug!(node, error = &error as &dyn std::error::Error, "the zone is not known");
                None
            }
        }
    }

    /// Joins those who look at a Service, or is the first.
    fn look_at(&self, service: Service, search: &Search) -> (watch::Receiver<Option<Slices>>, Arc<Watched>) {
        let mut all = lock(&self.0.watched);
        if let Some(watched) = all.get(&service) {
            return (watched.slices.subscribe(), watched.clone());
        }
        let (slices, seen) = watch::channel(None);
        let watched = Arc::new(Watched { slices, doubts: Notify::new() });
        all.insert(service.clone(), watched.clone());
        drop(all);
        let (shared, keeps) = (self.0.clone(), watched.clone());
        let (dice, metrics) = (search.dice.clone(), search.metrics);
        tokio::spawn(async move {
            tokio::select! {
                () = watcher::keep_up(&shared, &service, &keeps, &dice, metrics) => {}
                () = nobody_looks(&shared, &service, &keeps) => {}
            }
        });
        (seen, watched)
    }
}

/// Then it isn't among those that can be joined any more.
async fn nobody_looks(shared: &Shared, service: &Service, watched: &Watched) {
    loop {
        watched.slices.closed().await;
        let mut all = lock(&shared.watched);
        if watched.slices.receiver_count() == 0 {
            all.remove(service);
            return;
        }
    }
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Kubernetes").field(&self.0.place).finish()
    }
}

pub(super) fn follow(service: Service, port: ServicePort, search: Search) -> Replicas {
    let (found, replicas) = watch::channel(None);
    tokio::spawn(async move {
        let (mut slices, watched) = search.kubernetes.look_at(service.clone(), &search);
        let mut is_port_known = true;
        loop {
            let seen = slices.borrow_and_update().clone();
            if let Some(seen) = seen {
                let here = if seen.are_in_zones() { search.kubernetes.zone(&seen).await } else { None };
                let other_ports = seen.other_ports(&port);
                if let (Some(others), true) = (&other_ports, is_port_known) {
                    tracing::error!(service = service.name, %port, known = ?others, "the Service has no such port");
                }
                is_port_known = other_ports.is_none();
                tell(&found, seen.found(&port, here), &service);
            }
            tokio::select! {
                seen = slices.changed() => if seen.is_err() { return },
                () = search.doubts.notified() => watched.doubts.notify_one(),
                () = found.closed() => return,
            }
        }
    });
    replicas
}

fn tell(found: &watch::Sender<Option<Found>>, now: Found, service: &Service) {
    found.send_if_modified(|known| {
        let is_new = known.as_ref() != Some(&now);
        if is_new {
            let addresses: Vec<_> = now.replicas.iter().map(|it| it.address).collect();
            tracing::info!(service = service.name, replicas = ?addresses, "replicas");
            *known = Some(now);
        }
        is_new
    });
}
