//! Whether what a service stands on is there: told by name, and no reason to be given no calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::connection::State;
use opentelemetry::KeyValue;
use sea_orm::ConnectionTrait as _;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{Context, health::Health};

const EVERY: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(1);

/// Looks again and again and tells what it finds as the health of `database` and `broker`, until nobody asks any more.
pub(crate) async fn watch(context: Context, health: Health) {
    let (database, broker) = (Dependency::new("database"), Dependency::new("broker"));
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        broker.is(context.nats.connection_state() == State::Connected, &health).await;
        let answer = timeout(ANSWER, context.db.execute_unprepared("SELECT 1")).await;
        database.is(matches!(answer, Ok(Ok(_))), &health).await;
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
