use auth::Customer;
use sea_orm::{DbErr, SqlErr, TransactionTrait};

use super::{Inventory, Taken};
use crate::{
    domain::{Entry, Outcome, RawRow, Report},
    error::Error,
    store::{
        self,
        feeds::{Target, Written},
        members::{Access, Work},
    },
};

/// How often rows are tried again that met others who made the same books.
const ATTEMPTS: usize = 10;

/// Takes some rows in one transaction, each by itself.
pub(super) async fn take(
    inventory: &Inventory,
    caller: &Customer,
    target: &Target,
    rows: &[RawRow],
) -> Result<Vec<Taken>, Error> {
    let judged: Vec<Result<Entry, Report>> = rows.iter().map(RawRow::judge).collect();
    let entries: Vec<Entry> = judged.iter().filter_map(|judged| judged.as_ref().ok()).cloned().collect();
    let mut taken = write(inventory, caller, target, &entries).await?.into_iter();
    let report = |judged: Result<Entry, Report>| match judged {
        Ok(_) => taken.next(),
        Err(report) => Some(Err(report)),
    };
    Ok(judged.into_iter().filter_map(report).collect())
}

async fn write(
    inventory: &Inventory,
    caller: &Customer,
    target: &Target,
    entries: &[Entry],
) -> Result<Vec<Taken>, Error> {
    let mut attempts = 1;
    let taken = loop {
        match attempt(inventory, caller, target, entries).await {
            Ok(Some(taken)) => break taken,
            Err(Error::Database(error)) if attempts == ATTEMPTS || !is_race(&error) => {
                return Err(error.into());
            }
            Err(Error::Database(_)) | Ok(None) if attempts < ATTEMPTS => attempts += 1,
            Ok(None) => return Err(Error::Busy),
            Err(error) => return Err(error),
        }
    };
    let made = taken.iter().any(|taken| matches!(taken, Ok((Outcome::Created, _))));
    if made && let Err(error) = store::feeds::analyse_if_grown(&inventory.db).await {
        tracing::warn!(%error, "the grown catalogue couldn't be measured");
    }
    Ok(taken)
}

/// Whether the same rows may be taken now: somebody else has made one of the books meanwhile.
fn is_race(error: &DbErr) -> bool {
    server::database::is_conflict(error)
        || matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// `None`: somebody else was faster with one of the books, and nothing was written.
async fn attempt(
    inventory: &Inventory,
    caller: &Customer,
    target: &Target,
    entries: &[Entry],
) -> Result<Option<Vec<Taken>>, Error> {
    let tx = inventory.db.begin().await?;
    store::feeds::lock_shop(&tx, target.shop).await?;
    // Who left the shop while the feed was coming in brings no more.
    if store::members::may(&tx, caller.user_id, target.shop, Work::Books).await? != Access::Granted {
        return Err(Error::NotTheirs(Work::Books));
    }
    let mut intake = store::feeds::known(&tx, target, entries).await?;
    store::feeds::lock(&tx, target, entries, &mut intake).await?;
    let mut taken = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut entry = entry.clone();
        taken.push(intake.take(&mut entry).map(|outcome| (outcome, entry.notices)));
    }
    match store::feeds::write(&tx, target, caller.user_id, intake.written()).await? {
        Written::All => fault::around("inventory.import_catalogue.commit", tx.commit()).await?,
        Written::Raced => {
            tx.rollback().await?;
            return Ok(None);
        }
    }
    Ok(Some(taken))
}
