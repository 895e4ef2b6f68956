//! Whether what a process stands on is there: told by name, and no reason to be given no calls.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::connection::State;
use mesh::{Kubernetes, Place, Policy, Reach, Target};
use opentelemetry::KeyValue;
use sea_orm::ConnectionTrait as _;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{Context, config::Base, health::Health, peer::Peers};

const EVERY: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(1);

/// The services that a process calls.
#[derive(Clone, Debug)]
pub(crate) struct Callees {
    known: Arc<Mutex<Vec<Reach>>>,
    kubernetes: Kubernetes,
}

impl Callees {
    pub(crate) fn new(base: &Base) -> Self {
        let place = Place { node: base.node_name.clone(), zone: base.zone.clone() };
        Self { known: Arc::default(), kubernetes: Kubernetes::new(place) }
    }

    /// Calls one with the process's identity.
    pub(crate) fn client(
        &self,
        callee: &'static str,
        target: &Target,
        mut policy: Policy,
        peers: &Peers,
    ) -> mesh::Client {
        policy.kubernetes = self.kubernetes.clone();
        let client = mesh::Client::new(callee, target, policy, peers.identity());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(client.reach());
        client
    }

    /// By name, whether all clients of the service reach it; not those that never called.
    fn look(&self) -> BTreeMap<&'static str, bool> {
        let mut found = BTreeMap::new();
        for reach in self.known.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(is_up) = reach.is_up() {
                *found.entry(reach.callee()).or_insert(true) &= is_up;
            }
        }
        found
    }
}

/// Looks again and again and tells what it finds as the health of `database`, `broker` and of each service that is called,
/// until nobody asks any more.
pub(crate) async fn watch(context: Context, health: Health) {
    let (database, broker) = (Dependency::new("database"), Dependency::new("broker"));
    let mut callees = Told::default();
    let mut tick = ticks();
    loop {
        tick.tick().await;
        broker.is(context.nats.connection_state() == State::Connected, &health).await;
        callees.tell(&context.callees, &health).await;
        let asked = Instant::now();
        let answer = timeout(ANSWER, context.db.execute_unprepared("SELECT 1")).await;
        // Where all connections are in use, it is busy.
        let is_up = matches!(answer, Ok(Ok(_))) || context.pulse.was_heard_after(asked);
        database.is(is_up, &health).await;
    }
}

/// As [`watch`], of a process that only calls.
pub(crate) async fn watch_callees(callees: Callees, health: Health) {
    let mut told = Told::default();
    let mut tick = ticks();
    loop {
        tick.tick().await;
        told.tell(&callees, &health).await;
    }
}

fn ticks() -> tokio::time::Interval {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// The services of which something has been told.
#[derive(Default)]
struct Told(BTreeMap<&'static str, Dependency>);

impl Told {
    async fn tell(&mut self, callees: &Callees, health: &Health) {
        for (name, is_up) in callees.look() {
            self.0.entry(name).or_insert_with(|| Dependency::new(name)).is(is_up, health).await;
        }
    }
}

struct Dependency {
    name: &'static str,
    is_up: Arc<AtomicBool>,
}

impl Dependency {
    fn new(name: &'static str) -> Self {
        let is_up = Arc::new(AtomicBool::new(false));
        let observed = Arc::downgrade(&is_up);
        telemetry::meter()
            .u64_observable_gauge("bookstore.dependency.up")
            .with_description("1 while the dependency answers")
            .with_callback(move |gauge| {
                if let Some(is_up) = observed.upgrade() {
                    gauge.observe(
                        u64::from(is_up.load(Ordering::Relaxed)),
                        &[KeyValue::new("dependency", name)],
                    );
                }
            })
            .build();
        Self { name, is_up }
    }

    async fn is(&self, is_up: bool, health: &Health) {
        self.is_up.store(is_up, Ordering::Relaxed);
        health.set_dependency(self.name, is_up).await;
    }
}
