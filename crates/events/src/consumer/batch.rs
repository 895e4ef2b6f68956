//! One transaction for many messages, and what becomes of each.

use std::{mem, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait as _};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::dispatch::Dispatcher;
use crate::{Delivery, HandleError, Handler, Verdict, answered, attempts, dead_letters, inbox, metrics};

type Batch<H> = Vec<Delivery<<H as Handler>::Event>>;
type Prepared<H> = Vec<(Delivery<<H as Handler>::Event>, <H as Handler>::Prepared)>;

/// How often a transaction is tried again that lost a conflict.
const CONFLICTS: usize = 3;

/// After how long a message comes again whose call to another service had no answer, at most.
const NO_ANSWER: Duration = Duration::from_secs(5);

impl<H: Handler> Dispatcher<H> {
    /// Handles deliveries together. What is returned couldn't be handled for no fault of its own: to be held.
    pub(super) async fn handle(&self, batch: Batch<H>) -> Batch<H> {
        let span = tracing::info_span!(
            target: telemetry::ENTRY,
            "handle",
            otel.name = format!("handle {}", H::DURABLE),
            messaging.batch.message_count = batch.len(),
        );
        telemetry::propagation::join(&span, batch.iter().map(Delivery::span));
        self.prepare_and_apply(batch).instrument(span).await
    }

    async fn prepare_and_apply(&self, batch: Batch<H>) -> Batch<H> {
        let prepare = AssertUnwindSafe(self.handler.prepare(&batch)).catch_unwind();
        // Calls have deadlines of their own; what is asked of the database meanwhile has none.
        let Ok(results) = answered(prepare.map(Ok::<_, DbErr>)).await else { return batch };
        let mut results = results.unwrap_or_default();
        if results.len() != batch.len() {
            results.clear();
            let error = || Err(HandleError::Failed("the calls before the transaction panicked".to_owned()));
            results.resize_with(batch.len(), error);
        }
        let unanswered = |result: &Result<_, _>| matches!(result, Err(HandleError::Unavailable(_)));
        // Of a single one it can't be told whether the service is down or the message is to blame.
        if batch.len() > 1 && results.iter().all(unanswered) {
            return batch;
        }

        let mut prepared = Vec::with_capacity(batch.len());
        for (delivery, result) in batch.into_iter().zip(results) {
            match result {
                Ok(value) => prepared.push((delivery, value)),
                Err(HandleError::Unavailable(reason)) => self.send_back_uncounted(delivery, &reason).await,
                Err(error) => self.send_back_failed(delivery, &error).await,
            }
        }
        self.apply_by_halves(prepared).await
    }

    /// One transaction for all; if it fails, one for each half, down to the message that is to blame.
    async fn apply_by_halves(&self, all: Prepared<H>) -> Batch<H> {
        let mut parts = vec![all];
        let mut held = Vec::new();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.apply(part).await {
                Ok(()) => {}
                Err((part, HandleError::Unavailable(reason))) => {
                    tracing::debug!(consumer = H::DURABLE, reason, "held");
                    held.extend(part.into_iter().map(|(delivery, _)| delivery));
                    let rest = parts.drain(..).rev().flatten().map(|(delivery, _)| delivery);
                    held.extend(rest);
                }
                Err((mut part, error)) if part.len() > 1 => {
                    tracing::info!(consumer = H::DURABLE, messages = part.len(), %error, "retried by halves");
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Err((part, error)) => {
                    for (delivery, _) in part {
                        self.send_back_failed(delivery, &error).await;
                    }
                }
            }
        }
        held
    }

    /// One transaction; then the broker hears what became of each. Gives back what failed.
    async fn apply(&self, mut part: Prepared<H>) -> Result<(), (Prepared<H>, HandleError)> {
        let mut conflicts = 0;
        let verdicts = loop {
            match answered(self.transaction(&mut part)).await {
                Ok(verdicts) => break verdicts,
                Err(HandleError::Conflict(_)) if conflicts < CONFLICTS => conflicts += 1,
                Err(error) => return Err((part, error)),
            }
        };
        self.settle(part, verdicts).await;
        Ok(())
    }

    /// Orders `part` so that what is new comes first, applies that, and says what became of it.
    async fn transaction(&self, part: &mut Prepared<H>) -> Result<Vec<Verdict>, HandleError> {
        let tx = self.db.begin().await?;
        let ids = part.iter().map(|(delivery, _)| delivery.id.uuid()).collect();
        let mut new = inbox::take(&tx, H::DURABLE, ids).await?;
        // One id may be there twice; only its first message is new.
        let mut is_new = |id: Uuid| new.iter().position(|other| *other == id).map(|at| new.swap_remove(at));
        let (mut fresh, repeats): (Vec<_>, Vec<_>) =
            mem::take(part).into_iter().partition(|(delivery, _)| is_new(delivery.id.uuid()).is_some());
        let count = fresh.len();
        fresh.extend(repeats);
        *part = fresh;
        let (fresh, repeats) = part.split_at(count);

        let mut verdicts = Vec::new();
        if !fresh.is_empty() {
            let applied = AssertUnwindSafe(self.handler.apply(&tx, fresh)).catch_unwind().await;
            verdicts = applied.map_err(|_| HandleError::Failed("the handler panicked".to_owned()))??;
            if verdicts.len() != fresh.len() {
                let text = format!("{} verdicts about {} messages", verdicts.len(), fresh.len());
                return Err(HandleError::Failed(text));
            }
            self.record(&tx, fresh, &verdicts).await?;
        }
        for (delivery, _) in repeats.iter().filter(|(delivery, _)| delivery.is_noted) {
            attempts::forget(&tx, H::DURABLE, delivery.id.uuid()).await?;
        }
        fault::around(|| format!("{}.commit", H::DURABLE), tx.commit()).await?;
        Ok(verdicts)
    }

    /// Writes what the verdicts mean into the transaction.
    async fn record(
        &self,
        tx: &DatabaseTransaction,
        fresh: &[(Delivery<H::Event>, H::Prepared)],
        verdicts: &[Verdict],
    ) -> Result<(), HandleError> {
        let mut without_effect = Vec::new();
        for ((delivery, _), verdict) in fresh.iter().zip(verdicts) {
            let id = delivery.id.uuid();
            match verdict {
                Verdict::Done => {}
                Verdict::TooEarly => {
                    without_effect.push(id);
                    if delivery.is_noted {
                        attempts::take_back_if_young(tx, H::DURABLE, id).await?;
                    }
                }
                Verdict::Reject(reason) => {
                    without_effect.push(id);
                    let tries = delivery.held.deliveries();
                    dead_letters::bury(tx, H::DURABLE, id, &delivery.held, reason, tries).await?;
                }
            }
            if delivery.is_noted && *verdict != Verdict::TooEarly {
                attempts::forget(tx, H::DURABLE, id).await?;
            }
        }
        if !without_effect.is_empty() {
            inbox::give_back(tx, H::DURABLE, without_effect).await?;
        }
        Ok(())
    }

    /// Tells the broker, and the handler, after the commit.
    async fn settle(&self, part: Prepared<H>, verdicts: Vec<Verdict>) {
        let mut done = Vec::with_capacity(verdicts.len());
        let mut verdicts = verdicts.into_iter();
        let (mut repeats, mut early, mut rejected) = (0, 0, 0);
        for (delivery, prepared) in part {
            match verdicts.next() {
                Some(Verdict::Done) => {
                    delivery.held.acknowledge(H::DURABLE).await;
                    done.push((delivery, prepared));
                }
                Some(Verdict::TooEarly) => {
                    early += 1;
                    delivery.held.send_back(self.config.delay(delivery.held.deliveries())).await;
                }
                Some(Verdict::Reject(_)) => {
                    rejected += 1;
                    delivery.span().record("otel.status_code", "ERROR");
                    delivery.held.acknowledge(H::DURABLE).await;
                }
                None => {
                    repeats += 1;
                    delivery.held.acknowledge(H::DURABLE).await;
                }
            }
        }
        let counts = [
            ("done", done.len() as u64),
            ("repeated", repeats),
            ("too early", early),
            ("rejected", rejected),
        ];
        for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            metrics::METRICS.handled.add(count, &metrics::outcome(H::DURABLE, outcome));
        }
        if !done.is_empty() {
            self.handler.committed(&done);
        }
    }

    /// This message alone is to blame: it comes again later, until its noted attempts are used up.
    async fn send_back_failed(&self, delivery: Delivery<H::Event>, error: &HandleError) {
        let deliveries = delivery.held.deliveries();
        let id = delivery.id;
        delivery.span().record("otel.status_code", "ERROR");
        delivery.span().in_scope(|| {
            tracing::warn!(consumer = H::DURABLE, event = %id, deliveries, %error, "a message failed");
        });
        if delivery.is_noted {
            let error = error.to_string();
            let noted = answered(attempts::fail(&self.db, H::DURABLE, id.uuid(), &error));
            let noted = fault::around("attempts.fail.commit", noted).await;
            report(noted, delivery.span());
        }
        metrics::METRICS.handled.add(1, &metrics::outcome(H::DURABLE, "failed"));
        delivery.held.send_back(self.config.delay(deliveries)).await;
    }

    /// Another service had no answer for this message: it comes again soon, and nothing is counted.
    async fn send_back_uncounted(&self, delivery: Delivery<H::Event>, reason: &str) {
        tracing::info!(consumer = H::DURABLE, event = %delivery.id, reason, "a call had no answer");
        if delivery.is_noted {
            let noted = answered(attempts::take_back(&self.db, H::DURABLE, delivery.id.uuid()));
            let noted = fault::around("attempts.take_back.commit", noted).await;
            report(noted, delivery.span());
        }
        metrics::METRICS.handled.add(1, &metrics::outcome(H::DURABLE, "unanswered"));
        delivery.held.send_back(self.config.delay(delivery.held.deliveries()).min(NO_ANSWER)).await;
    }
}

/// A note that isn't written costs a message one attempt at most.
fn report(noted: Result<(), sea_orm::DbErr>, span: &Span) {
    if let Err(error) = noted {
        span.in_scope(|| tracing::warn!(%error, "an attempt couldn't be noted"));
    }
}
