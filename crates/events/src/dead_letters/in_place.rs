//! A dead letter handed to its handler once more, without the broker.

use std::panic::AssertUnwindSafe;

use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait as _};
use tracing::{Instrument as _, Span};

use super::{DeadLetter, ReplayError, State, rows};
use crate::{Delivery, Failure, HandleError, Handler, Verdict, consumer::Held, failure, inbox, metrics};

/// How often a transaction is tried again that lost a conflict.
const CONFLICTS: usize = 3;

/// A handler of any kind of event.
pub(super) trait InPlace: Send + Sync {
    fn replay<'a>(
        &'a self,
        db: &'a DatabaseConnection,
        letter: DeadLetter,
    ) -> BoxFuture<'a, Result<DeadLetter, ReplayError>>;
}

impl<H: Handler> InPlace for H {
    fn replay<'a>(
        &'a self,
        db: &'a DatabaseConnection,
        letter: DeadLetter,
    ) -> BoxFuture<'a, Result<DeadLetter, ReplayError>> {
        let delivery = match Delivery::<H::Event>::read(Held::again(&letter)) {
            Ok(delivery) => delivery,
            Err(refused) => return ready(Err(ReplayError::Again(refused.1.to_string()))).boxed(),
        };
        // Its handling belongs to the trace of what caused it; the call that asks for it is another.
        let span = delivery.span().clone();
        telemetry::propagation::link_to(&span, &Span::current());
        prepare_and_apply(self, db, letter, delivery).instrument(span).boxed()
    }
}

async fn prepare_and_apply<H: Handler>(
    handler: &H,
    db: &DatabaseConnection,
    letter: DeadLetter,
    delivery: Delivery<H::Event>,
) -> Result<DeadLetter, ReplayError> {
    let batch = [delivery];
    let results = AssertUnwindSafe(handler.prepare(&batch)).catch_unwind().await;
    let prepared = match results.unwrap_or_default().pop() {
        Some(result) => result?,
        None => return Err(ReplayError::Again("the calls before the transaction panicked".to_owned())),
    };
    let [delivery] = batch;
    let batch = [(delivery, prepared)];

    let mut conflicts = 0;
    let outcome = loop {
        match apply(handler, db, &letter, &batch).await {
            Err(HandleError::Conflict(_)) if conflicts < CONFLICTS => conflicts += 1,
            outcome => break outcome?,
        }
    };
    let (letter, is_done) = outcome?;
    if is_done {
        tracing::info!(consumer = H::DURABLE, dead_letter = %letter.id, "a dead letter was handled after all");
        metrics::METRICS.handled.add(1, &metrics::outcome(H::DURABLE, "replayed"));
        handler.committed(&batch);
    }
    Ok(letter)
}

/// The effects and the dead letter's new state in one transaction; whether there were effects. The inner error is an
/// answer: nothing was written.
async fn apply<H: Handler>(
    handler: &H,
    db: &DatabaseConnection,
    letter: &DeadLetter,
    batch: &[(Delivery<H::Event>, H::Prepared)],
) -> Result<Result<(DeadLetter, bool), ReplayError>, HandleError> {
    let tx = db.begin().await?;
    let Some(locked) = rows::lock(&tx, letter.id).await? else { return Ok(Err(ReplayError::NotFound)) };
    match locked.state {
        State::Replayed => return Ok(Ok((locked, false))),
        State::Discarded => return Ok(Err(ReplayError::Discarded)),
        State::Dead => {}
    }
    // Another replica may have handled it while this one gave it up.
    let is_new = inbox::take_even_buried(&tx, H::DURABLE, locked.event_id.uuid()).await?;
    if is_new {
        let applied = AssertUnwindSafe(handler.apply(&tx, batch)).catch_unwind().await;
        let verdicts = applied.map_err(|_| HandleError::Failed("the handler panicked".to_owned()))??;
        let again = match verdicts.as_slice() {
            [Verdict::Done] => None,
            [Verdict::TooEarly] => Some("what it refers to is not known here".to_owned()),
            [Verdict::Reject(reason)] => Some(reason.clone()),
            others => Some(format!("{} verdicts about one message", others.len())),
        };
        if let Some(reason) = again {
            return Ok(Err(ReplayError::Again(reason)));
        }
    }
    rows::resolve(&tx, letter.id, State::Replayed).await?;
    let replayed = rows::get(&tx, letter.id).await?;
    fault::around("dead_letters.replay.commit", tx.commit()).await?;
    Ok(replayed.map(|letter| (letter, is_new)).ok_or(ReplayError::NotFound))
}

impl From<HandleError> for ReplayError {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Unavailable(reason) | HandleError::Conflict(reason) => Self::Unavailable(reason),
            HandleError::Failed(reason) => Self::Again(reason),
        }
    }
}

impl From<DbErr> for ReplayError {
    fn from(error: DbErr) -> Self {
        match failure(&error) {
            Failure::Down | Failure::Conflict => Self::Unavailable(error.to_string()),
            Failure::Statement => Self::Database(error),
        }
    }
}
