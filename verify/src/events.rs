//! Outboxes, inboxes and dead letters.

pub(crate) mod consumers;
pub(crate) mod inboxes;

use anyhow::Result;
use sqlx::{query_as, query_scalar};
use uuid::Uuid;
use values::{DeadLetterId, EventId};

use crate::{Check, Report, Scope, Service, books::Books};

/// What waits to be published for too long, and what the broker will never take.
pub(crate) async fn outboxes(books: &mut Books, scope: &Scope, report: &mut Report) -> Result<()> {
    for service in Service::ALL {
        let mut moment = books.moment(service).await?;
        let count: i64 = query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut *moment).await?;
        report.looked(Check::Outboxes, count);
        let waiting: Vec<(Uuid, String, String, Option<String>)> = query_as(
            "SELECT event_id, aggregate_id, subject, refused FROM outbox
             WHERE refused IS NOT NULL
                OR stream_sequence IS NULL AND created_at <= clock_timestamp() - make_interval(secs => $1)
             ORDER BY id",
        )
        .bind(scope.patience.events.as_secs_f64())
        .fetch_all(&mut *moment)
        .await?;
        moment.commit().await?;
        for (event, aggregate, subject, refused) in waiting {
            let why =
                refused.map_or_else(|| "is not published".to_owned(), |why| format!("was refused: {why}"));
            let wrong = format!("{subject} of {aggregate} {why}");
            report.violation(Check::Outboxes, EventId::from_uuid(event), wrong);
        }
    }
    Ok(())
}

/// What nobody has decided about. Why it was given up is not told here: an error may quote anything.
pub(crate) async fn dead_letters(books: &mut Books, report: &mut Report) -> Result<()> {
    for service in Service::ALL {
        let db = books.of(service)?;
        let count: i64 = query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&mut *db).await?;
        report.looked(Check::DeadLetters, count);
        let dead: Vec<(Uuid, String, Uuid, String, i32)> = query_as(
            "SELECT dead_letter_id, consumer, event_id, subject, attempts FROM dead_letters
             WHERE resolution IS NULL ORDER BY id",
        )
        .fetch_all(db)
        .await?;
        for (letter, consumer, event, subject, attempts) in dead {
            let event = EventId::from_uuid(event);
            let wrong = format!("{consumer} gave {event} ({subject}) up after {attempts} attempts");
            report.violation(Check::DeadLetters, DeadLetterId::from_uuid(letter), wrong);
        }
    }
    Ok(())
}
