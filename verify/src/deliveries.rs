//! What people are told against what happened.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use sqlx::{query_as, query_scalar};
use uuid::Uuid;
use values::{DeliveryId, EventId};

use crate::{
    Check, Report, Service,
    books::{Books, PAGE},
    events::consumers::{self, CONSUMERS},
};

pub(crate) async fn look(books: &mut Books, report: &mut Report) -> Result<()> {
    uncaused(books, report).await?;
    silent(books, report).await
}

/// Deliveries of events that were not handled. Inboxes are kept for thirty days.
async fn uncaused(books: &mut Books, report: &mut Report) -> Result<()> {
    let mut moment = books.moment(Service::Notification).await?;
    let count: i64 = query_scalar("SELECT count(*) FROM deliveries").fetch_one(&mut *moment).await?;
    report.looked(Check::Deliveries, count);
    let (subjects, names): (Vec<&str>, Vec<&str>) =
        newsworthy().map(|consumer| (consumer.subject, consumer.name)).unzip();
    let rows: Vec<(Uuid, Uuid, String)> = query_as(
        "SELECT deliveries.id, event_id, subject
         FROM deliveries LEFT JOIN unnest($1::text[], $2::text[]) AS known (subject, consumer) USING (subject)
         WHERE created_at > now() - interval '29 days'
           AND NOT EXISTS (SELECT FROM inbox WHERE inbox.consumer = known.consumer
                                               AND inbox.event_id = deliveries.event_id)",
    )
    .bind(&subjects)
    .bind(&names)
    .fetch_all(&mut *moment)
    .await?;
    let failed: i64 = query_scalar("SELECT count(*) FROM deliveries WHERE state = 'FAILED'")
        .fetch_one(&mut *moment)
        .await?;
    moment.commit().await?;
    if failed > 0 {
        report.remark(format!("deliveries: {failed} will not be sent; ListDeliveries says why"));
    }
    for (id, event, subject) in rows {
        let wrong = format!("{subject} by {}, which was not handled", EventId::from_uuid(event));
        report.violation(Check::Deliveries, DeliveryId::from_uuid(id), wrong);
    }
    Ok(())
}

/// Events that were handled and of which nobody is told.
async fn silent(books: &mut Books, report: &mut Report) -> Result<()> {
    let first: Vec<(String, i64)> = query_as("SELECT stream, last_sequence FROM first_start")
        .fetch_all(books.of(Service::Notification)?)
        .await?;
    let first: HashMap<String, i64> = first.into_iter().collect();
    for consumer in newsworthy() {
        let stream = consumer.publisher.stream().unwrap_or_default();
        let begin = first.get(stream).copied().unwrap_or_default();
        let mut after = Uuid::nil();
        loop {
            let page: Vec<Uuid> = query_scalar(
                "SELECT event_id FROM inbox
                 WHERE consumer = $1 AND event_id > $2 AND NOT EXISTS (
                     SELECT FROM deliveries WHERE deliveries.event_id = inbox.event_id)
                 ORDER BY event_id LIMIT $3",
            )
            .bind(consumer.name)
            .bind(after)
            .bind(PAGE)
            .fetch_all(books.of(Service::Notification)?)
            .await?;
            let Some(last) = page.last() else { break };
            after = *last;
            // Not what lies before the first start, and no refund of which an older release didn't say whose it is.
            let news: Vec<Uuid> = query_scalar(
                "SELECT event_id FROM outbox
                 WHERE event_id = ANY($1) AND stream_sequence > $2 AND position('usr_'::bytea IN payload) > 0",
            )
            .bind(&page)
            .bind(begin)
            .fetch_all(books.of(consumer.publisher)?)
            .await?;
            let news: HashSet<Uuid> = news.into_iter().collect();
            for event in page.into_iter().filter(|event| news.contains(event)) {
                let wrong = format!("{} was handled, and nobody is told of it", consumer.subject);
                report.violation(Check::Deliveries, EventId::from_uuid(event), wrong);
            }
        }
    }
    Ok(())
}

fn newsworthy() -> impl Iterator<Item = &'static consumers::Consumer> {
    CONSUMERS.iter().filter(|consumer| consumer.of == Service::Notification)
}
