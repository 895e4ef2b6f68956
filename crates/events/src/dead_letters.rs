//! Messages that were given up, kept with all that is needed to understand and to replay them.

mod in_place;
mod rows;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr};
use values::{DeadLetterId, EventId, page::PageSize};

use self::in_place::InPlace;
use crate::{Handler, catalogue, metrics};

pub(crate) use self::rows::bury;

/// A message that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Its own id.
    pub id: DeadLetterId,
    /// Which consumer gave it up.
    pub consumer: String,
    /// The event's id; made up if the message did not tell one.
    pub event_id: EventId,
    /// What kind of event.
    pub subject: String,
    /// `TypeID` of what the event is about; empty if the message did not say.
    pub aggregate_id: String,
    /// Why it was given up.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Where it stands.
    pub state: State,
    /// When it was given up.
    pub buried_at: DateTime<Utc>,
    /// When it was replayed or discarded.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The message's headers, a name's values separated by commas; empty in a list.
    pub headers: BTreeMap<String, String>,
    /// The message's body; empty in a list.
    pub payload: Vec<u8>,
    /// Its place among all of its service.
    place: i64,
}

/// Where a dead letter stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Somebody has to decide.
    Dead,
    /// Handled after all.
    Replayed,
    /// Put aside for good.
    Discarded,
}

/// Why a dead letter was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of this id.
    #[error("no such dead letter")]
    NotFound,
    /// It was put aside for good.
    #[error("the dead letter was discarded")]
    Discarded,
    /// No handler was registered for its consumer.
    #[error("nothing here handles such events any more")]
    NoHandler,
    /// Its handler failed once more, for this reason.
    #[error("it failed again: {0}")]
    Again(String),
    /// The database, or a service that the handler asks, is down.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A statement of ours failed.
    #[error(transparent)]
    Database(DbErr),
}

/// Why a dead letter was not discarded.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// There is none of this id.
    #[error("no such dead letter")]
    NotFound,
    /// It was handled after all.
    #[error("the dead letter was replayed")]
    Replayed,
    /// The statement failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The dead letters of a service, and the handlers to which they can be given once more.
#[derive(Clone)]
pub struct DeadLetters {
    db: DatabaseConnection,
    handlers: Arc<RwLock<HashMap<&'static str, Arc<dyn InPlace>>>>,
}

impl DeadLetters {
    /// Those in a service's own database.
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        Self { db, handlers: Arc::default() }
    }

    /// From now on `handler` gets the dead letters of its consumer that are replayed.
    pub fn register<H: Handler>(&self, handler: Arc<H>) {
        self.handlers.write().unwrap_or_else(PoisonError::into_inner).insert(H::DURABLE, handler);
    }

    /// Measures how many wait for somebody to decide.
    pub async fn measure(&self) -> Result<(), DbErr> {
        metrics::METRICS.waiting.record(rows::count_dead(&self.db).await?, &[]);
        Ok(())
    }

    /// A page, the oldest first, without headers and payloads, and where the next one begins.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn list(
        &self,
        after: Option<i64>,
        size: PageSize,
        include_resolved: bool,
    ) -> Result<(Vec<DeadLetter>, Option<i64>), DbErr> {
        let mut found =
            rows::list(&self.db, after.unwrap_or(i64::MIN), size.get() + 1, include_resolved).await?;
        let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
        let has_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| has_more).map(|last| last.place);
        Ok((found, next))
    }

    /// One with headers and payload, if there is such a one.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn get(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, DbErr> {
        rows::get(&self.db, id).await
    }

    /// Hands one to its handler, in this process and now. Its effects and the dead letter's new state are one
    /// transaction. One that was replayed before is left as it is.
    ///
    /// # Errors
    /// It can't be handled, or not now; then it stays as it was.
    pub async fn replay(&self, id: DeadLetterId) -> Result<DeadLetter, ReplayError> {
        let letter = self.get(id).await?.ok_or(ReplayError::NotFound)?;
        match letter.state {
            State::Replayed => return Ok(letter),
            State::Discarded => return Err(ReplayError::Discarded),
            State::Dead => {}
        }
        let handler = {
            let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
            handlers.get(letter.consumer.as_str()).cloned().ok_or(ReplayError::NoHandler)?
        };
        handler.replay(&self.db, letter).await
    }

    /// Puts one aside for good. One that was discarded before is left as it is.
    ///
    /// # Errors
    /// There is none, or it was replayed.
    pub async fn discard(&self, id: DeadLetterId) -> Result<DeadLetter, DiscardError> {
        fault::around("dead_letters.discard.commit", rows::resolve(&self.db, id, State::Discarded)).await?;
        let letter = self.get(id).await?.ok_or(DiscardError::NotFound)?;
        match letter.state {
            State::Replayed => Err(DiscardError::Replayed),
            State::Dead | State::Discarded => Ok(letter),
        }
    }
}

impl DeadLetter {
    /// The body as JSON, as far as it can be read as what the contract says of its kind.
    #[must_use]
    pub fn payload_json(&self) -> Option<String> {
        catalogue::json(&self.subject, &self.payload)
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}
