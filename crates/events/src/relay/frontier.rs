use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::Instant;

use super::rows::{self, Row};

/// From which row on the relay looks for rows to publish.
///
/// What was published leaves the index of the unpublished only when the table is vacuumed, which for a large one is
/// seldom: a look from its first row on took 5 ms behind 600,000 published ones. So most looks begin where the first
/// unpublished row was two whole looks ago. A row that is older than that, of a transaction that took so long, waits for
/// the next whole look.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// Where a look begins that isn't whole.
    from: i64,
    /// Where one begins after the next whole look.
    next: i64,
    /// The highest id seen.
    highest: i64,
    whole: Option<Instant>,
}

impl Frontier {
    /// The next rows that were never published, in their order; from the first row on once in `every`.
    pub(super) async fn unpublished(
        &mut self,
        db: &DatabaseConnection,
        every: Duration,
    ) -> Result<Vec<Row>, DbErr> {
        let is_whole = self.whole.is_none_or(|last| last.elapsed() >= every);
        let rows = rows::unpublished(db, if is_whole { 0 } else { self.from }).await?;
        self.highest = rows.last().map_or(self.highest, |row| row.id.max(self.highest));
        if is_whole {
            self.from = self.next;
            self.next = rows.first().map_or(self.highest, |row| row.id);
            self.whole = Some(Instant::now());
        }
        Ok(rows)
    }
}
