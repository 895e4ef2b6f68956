//! The one task that runs a step's batches.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt;
use tokio::{sync::mpsc, time::timeout};
use tracing::{Instrument, Span};

use crate::{Caller, Job, Limits, Step, SubmitError, metrics::Metrics};

pub(crate) struct Worker<S: Step> {
    limits: Limits,
    jobs: mpsc::Receiver<Job<S>>,
    runner: Arc<Runner<S>>,
}

impl<S: Step> Worker<S> {
    pub(crate) fn new(
        name: &'static str,
        step: S,
        limits: Limits,
        jobs: mpsc::Receiver<Job<S>>,
        metrics: Metrics,
    ) -> Self {
        Self { limits, jobs, runner: Arc::new(Runner { name, step, metrics }) }
    }

    pub(crate) async fn run(mut self) {
        while let Some(first) = self.jobs.recv().await {
            self.runner.metrics.taken();
            let mut batch = Batch::new();
            batch.take(first);
            while batch.len() < self.limits.max_batch
                && let Some(job) = self.next_queued()
            {
                batch.take(job);
            }
            if let Err(outage) = self.settle(batch).await {
                // These waited as long as the batch that found the outage: another try would double their wait.
                while let Some(job) = self.next_queued() {
                    job.caller.answer(Err(SubmitError::Failed(outage.clone())));
                }
            }
        }
    }

    fn next_queued(&mut self) -> Option<Job<S>> {
        let job = self.jobs.try_recv().ok()?;
        self.runner.metrics.taken();
        Some(job)
    }

    /// Ends with the batch, or when it is not to be waited for any longer; then it goes on by itself.
    async fn settle(&self, batch: Batch<S>) -> Result<(), S::Error> {
        let Some(patience) = self.limits.overtaken_after else { return self.runner.settle(batch).await };
        let runner = self.runner.clone();
        let settling = tokio::spawn(async move { runner.settle(batch).await });
        // A panic is the step's and has been caught; what is overtaken answers its own callers.
        timeout(patience, settling).await.map_or(Ok(()), |ended| ended.unwrap_or(Ok(())))
    }
}

/// Runs batches through the step.
struct Runner<S: Step> {
    name: &'static str,
    step: S,
    metrics: Metrics,
}

impl<S: Step> Runner<S> {
    /// Answers every caller of `batch`, trying it by halves where one item may be to blame for a failure.
    ///
    /// An error is one that no item is to blame for.
    async fn settle(&self, batch: Batch<S>) -> Result<(), S::Error> {
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            batch.drop_callers_who_left();
            if batch.len() == 0 {
                continue;
            }
            match self.attempt(&batch).await {
                Ok(outcomes) if outcomes.len() == batch.len() => batch.answer(outcomes),
                Ok(outcomes) => {
                    tracing::error!(
                        batch = self.name,
                        items = batch.len(),
                        outcomes = outcomes.len(),
                        "a step answered with another number of outcomes than it got items"
                    );
                    batch.refuse(&SubmitError::Broken);
                }
                Err(Failure::Outage(error)) => {
                    for batch in waiting.into_iter().chain([batch]) {
                        batch.refuse(&SubmitError::Failed(error.clone()));
                    }
                    return Err(error);
                }
                Err(Failure::OfAnItem(error)) if batch.len() == 1 => batch.refuse(&error),
                Err(Failure::OfAnItem(_)) => {
                    let second = batch.split_off_half();
                    waiting.extend([second, batch]);
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, batch: &Batch<S>) -> Result<Vec<S::Outcome>, Failure<S::Error>> {
        let started = Instant::now();
        let result = AssertUnwindSafe(self.step.run(&batch.items))
            .catch_unwind()
            .instrument(batch.span(self.name))
            .await;
        self.metrics.ran(batch.len(), started.elapsed());
        match result {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err(error)) if S::may_blame_an_item(&error) => {
                Err(Failure::OfAnItem(SubmitError::Failed(error)))
            }
            Ok(Err(error)) => Err(Failure::Outage(error)),
            // The panic hook has told what happened.
            Err(_) => Err(Failure::OfAnItem(SubmitError::Broken)),
        }
    }
}

enum Failure<E> {
    Outage(E),
    OfAnItem(SubmitError<E>),
}

/// Items and, in the same order, who waits for them.
struct Batch<S: Step> {
    items: Vec<S::Item>,
    callers: Vec<Caller<S>>,
}

impl<S: Step> Batch<S> {
    fn new() -> Self {
        Self { items: Vec::new(), callers: Vec::new() }
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn take(&mut self, Job { item, caller }: Job<S>) {
        if !caller.has_gone() {
            self.items.push(item);
            self.callers.push(caller);
        }
    }

    fn drop_callers_who_left(&mut self) {
        if self.callers.iter().any(Caller::has_gone) {
            let (items, callers) = (std::mem::take(&mut self.items), std::mem::take(&mut self.callers));
            for (item, caller) in items.into_iter().zip(callers) {
                self.take(Job { item, caller });
            }
        }
    }

    fn split_off_half(&mut self) -> Self {
        let half = self.len() / 2;
        Self { items: self.items.split_off(half), callers: self.callers.split_off(half) }
    }

    fn answer(self, outcomes: Vec<S::Outcome>) {
        for (caller, outcome) in self.callers.into_iter().zip(outcomes) {
            caller.answer(Ok(outcome));
        }
    }

    fn refuse(self, error: &SubmitError<S::Error>) {
        for caller in self.callers {
            caller.answer(Err(error.clone()));
        }
    }

    /// A child of the first caller's span that is recorded, linked with every other's.
    fn span(&self, name: &'static str) -> Span {
        let span = tracing::info_span!(
            target: telemetry::ENTRY,
            "batch",
            otel.name = format!("batch {name}"),
            batch.size = self.len(),
        );
        telemetry::propagation::join(&span, self.callers.iter().map(|caller| &caller.span));
        span
    }
}
