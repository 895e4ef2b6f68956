//! Work beside the calls, and its end.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::service::Task;

/// Work that goes on until it is told to end.
#[derive(Default)]
pub(crate) struct Tasks(JoinSet<&'static str>);

impl Tasks {
    pub(crate) fn spawn(&mut self, Task { name, work }: Task) {
        self.0.spawn(async move {
            // What a panic leaves behind is not looked at again: the process ends.
            let _ = AssertUnwindSafe(work).catch_unwind().await;
            name
        });
    }

    /// Which task ended; never, while all go on.
    pub(crate) async fn first_to_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(ended) => ended.unwrap_or("background work"),
            None => std::future::pending().await,
        }
    }

    /// Waits until only `rest` are left.
    pub(crate) async fn end(&mut self, rest: usize, deadline: Instant) {
        let ending = async { while self.0.len() > rest && self.0.join_next().await.is_some() {} };
        if timeout_at(deadline, ending).await.is_err() {
            tracing::warn!(tasks = self.0.len().saturating_sub(rest), "background work did not end in time");
        }
    }

    /// Cuts what is left.
    pub(crate) async fn cut(mut self) {
        self.0.shutdown().await;
    }
}

/// The moments of a stop.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    /// For calls, streams and messages that are held.
    pub(crate) drained: Instant,
    /// For everything.
    pub(crate) end: Instant,
}

impl Deadlines {
    /// From now on. A fifth of the grace is for what can only end after the calls.
    pub(crate) fn after(grace: Duration) -> Self {
        let now = Instant::now();
        Self { drained: now + grace.mul_f64(0.8), end: now + grace }
    }
}
