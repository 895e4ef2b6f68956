//! What happened against what was told of it: a step and its event are one transaction, so that neither is without the
//! other. Each side is read in one moment.
//!
//! Outboxes keep events for seven days after they were published; what is older was told of long ago.

mod accounts;
mod orders;
mod payments;

use std::str::FromStr;

use anyhow::Result;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Check, Report,
    books::{Books, Cursor},
    look::Progress,
};

pub(crate) async fn look(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    orders::look(books, report, progress).await?;
    payments::look(books, report, progress).await?;
    accounts::look(books, report, progress).await
}

/// The outbox of a database, by what its events are about.
struct Told(Cursor<Row>);

/// What an event is about, its version, and its subject.
type Row = (String, i64, String);

impl Told {
    /// An id as text is in the order of its UUID.
    async fn open(moment: &mut PgConnection) -> Result<Self> {
        let declare = "DECLARE told NO SCROLL CURSOR FOR
             SELECT aggregate_id, sequence, subject FROM outbox ORDER BY aggregate_id COLLATE \"C\", sequence";
        Ok(Self(Cursor::declare(moment, declare, "FETCH FORWARD 2000 FROM told").await?))
    }

    /// Of the events about users alone: identity tells of sessions and addresses too, which have no version to compare.
    async fn of_users(moment: &mut PgConnection) -> Result<Self> {
        let declare = "DECLARE told NO SCROLL CURSOR FOR
             SELECT aggregate_id, sequence, subject FROM outbox WHERE aggregate_id ~ '^usr_'
             ORDER BY aggregate_id COLLATE \"C\", sequence";
        Ok(Self(Cursor::declare(moment, declare, "FETCH FORWARD 2000 FROM told").await?))
    }

    /// What the next events are about; what can't be read is reported and passed over.
    async fn peek<Id: FromStr>(
        &mut self,
        moment: &mut PgConnection,
        uuid: fn(Id) -> Uuid,
        report: &mut Report,
    ) -> Result<Option<Uuid>> {
        while let Some((aggregate, sequence, subject)) = self.0.peek(moment).await? {
            if let Ok(id) = aggregate.parse::<Id>() {
                return Ok(Some(uuid(id)));
            }
            let wrong = format!("version {sequence} of it is told as {subject}");
            report.violation(Check::Announcements, aggregate, wrong);
            self.0.next(moment).await?;
        }
        Ok(None)
    }

    /// The versions and subjects of all events about the next one.
    async fn next(&mut self, moment: &mut PgConnection) -> Result<Vec<(i64, String)>> {
        let Some((aggregate, sequence, subject)) = self.0.next(moment).await? else { return Ok(Vec::new()) };
        let rest = self.0.next_while(moment, |row| row.0 == aggregate).await?;
        let rest = rest.into_iter().map(|(_, sequence, subject)| (sequence, subject));
        Ok(std::iter::once((sequence, subject)).chain(rest).collect())
    }
}
