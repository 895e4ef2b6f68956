//! Events beside the transactions that they tell of, where the outbox is left out: remembered by the process alone from
//! the transaction until after its commit, and written when the relay comes by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fault::{Guard, is_off};
use sea_orm::{DatabaseConnection, DbErr};

use super::Outgoing;

#[derive(Default)]
struct Aside {
    /// Of transactions that may be under way.
    put: Vec<Outgoing>,
    /// Of transactions that have committed.
    released: Vec<Outgoing>,
}

static ASIDE: Mutex<Aside> = Mutex::new(Aside { put: Vec::new(), released: Vec::new() });

fn aside() -> MutexGuard<'static, Aside> {
    ASIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn put(events: &[Outgoing]) {
    aside().put.extend_from_slice(events);
}

/// After a commit.
pub(crate) fn release() {
    if is_off(Guard::Outbox) {
        let mut aside = aside();
        let committed = std::mem::take(&mut aside.put);
        aside.released.extend(committed);
    }
}

/// Writes what was released.
pub(crate) async fn write(db: &DatabaseConnection) -> Result<(), DbErr> {
    if is_off(Guard::Outbox) {
        let events = std::mem::take(&mut aside().released);
        if !events.is_empty() {
            super::insert(db, &events).await?;
        }
    }
    Ok(())
}
