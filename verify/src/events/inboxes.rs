//! What was published against what each consumer has handled.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::EventId;

use super::consumers::{self, CONSUMERS, Consumer};
use crate::{
    Check, Report, Scope, Service,
    books::{Books, PAGE},
    look::Progress,
};

pub(crate) async fn look(
    books: &mut Books,
    scope: &Scope,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<()> {
    for service in Service::ALL {
        if CONSUMERS.iter().any(|consumer| consumer.publisher == service) {
            unhandled(books, service, scope, report, progress).await?;
        }
        if CONSUMERS.iter().any(|consumer| consumer.of == service) {
            unheard_of(books, service, report, progress).await?;
        }
    }
    Ok(())
}

/// Events that were published a while ago and that a consumer has neither handled nor given up.
async fn unhandled(
    books: &mut Books,
    publisher: Service,
    scope: &Scope,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<()> {
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let said: Vec<(Uuid, String)> = query_as(
            "SELECT event_id, subject FROM outbox
             WHERE event_id > $1 AND stream_sequence IS NOT NULL
               AND first_published_at <= clock_timestamp() - make_interval(secs => $2)
             ORDER BY event_id LIMIT $3",
        )
        .bind(after)
        .bind(scope.patience.events.as_secs_f64())
        .bind(PAGE)
        .fetch_all(books.of(publisher)?)
        .await?;
        let Some((last, _)) = said.last() else { return Ok(()) };
        after = *last;
        count += said.len();
        progress(&format!("events of {}: {count}", publisher.name()));
        let mut by_subject: HashMap<&str, Vec<Uuid>> = HashMap::new();
        for (event, subject) in &said {
            by_subject.entry(subject).or_default().push(*event);
        }
        for consumer in CONSUMERS.iter().filter(|consumer| consumer.publisher == publisher) {
            let Some(events) = by_subject.get(consumer.subject) else { continue };
            report.looked(Check::Inboxes, events.len());
            let heard = heard(books.of(consumer.of)?, consumer, events).await?;
            for event in events.iter().filter(|event| !heard.contains(event)) {
                let wrong = format!("{} has not handled {}", consumer.name, consumer.subject);
                report.violation(Check::Inboxes, EventId::from_uuid(*event), wrong);
            }
        }
    }
}

async fn heard(db: &mut PgConnection, consumer: &Consumer, events: &[Uuid]) -> Result<HashSet<Uuid>> {
    let heard: Vec<Uuid> = query_scalar(
        "SELECT event_id FROM inbox WHERE consumer = $1 AND event_id = ANY($2)
         UNION ALL SELECT event_id FROM dead_letters WHERE consumer = $1 AND event_id = ANY($2)",
    )
    .bind(consumer.name)
    .bind(events)
    .fetch_all(db)
    .await?;
    Ok(heard.into_iter().collect())
}

/// Events that were handled and that nobody told. Outboxes keep theirs for seven days after they were published.
async fn unheard_of(
    books: &mut Books,
    service: Service,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<()> {
    let (mut after, mut count) = ((String::new(), Uuid::nil()), 0);
    loop {
        let handled: Vec<(String, Uuid)> = query_as(
            "SELECT consumer, event_id FROM inbox
             WHERE (consumer, event_id) > ($1, $2) AND handled_at > now() - interval '6 days'
             ORDER BY consumer, event_id LIMIT $3",
        )
        .bind(&after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(books.of(service)?)
        .await?;
        let Some(last) = handled.last() else { return Ok(()) };
        after = last.clone();
        count += handled.len();
        progress(&format!("inbox of {}: {count}", service.name()));
        let mut by_consumer: HashMap<&str, Vec<Uuid>> = HashMap::new();
        for (consumer, event) in &handled {
            by_consumer.entry(consumer).or_default().push(*event);
        }
        for (name, events) in by_consumer {
            // One of a release before.
            let Some(consumer) = consumers::named(name) else { continue };
            let said: Vec<Uuid> =
                query_scalar("SELECT event_id FROM outbox WHERE event_id = ANY($1) AND subject = $2")
                    .bind(&events)
                    .bind(consumer.subject)
                    .fetch_all(books.of(consumer.publisher)?)
                    .await?;
            let said: HashSet<Uuid> = said.into_iter().collect();
            for event in events.into_iter().filter(|event| !said.contains(event)) {
                let wrong = format!("{name} has handled it, and nobody told it");
                report.violation(Check::Inboxes, EventId::from_uuid(event), wrong);
            }
        }
    }
}
