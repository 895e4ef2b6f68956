//! The broker's streams against the outboxes, both in the order of the stream's sequences, and the consumers.

mod consumers;
mod message;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{
    self, Context, ErrorCode,
    consumer::pull::{Ordered, OrderedConfig},
    context::GetStreamErrorKind,
    stream::{State, Stream},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use sqlx::{query_as, query_scalar};
use uuid::Uuid;
use values::EventId;

use self::message::Message;
use crate::{Access, Check, Report, Service, books::Books, look::Progress};

/// How long the broker may be silent.
const ANSWER: Duration = Duration::from_secs(10);
/// Messages that are held at a time.
const AT_ONCE: usize = 2_000;
/// Outboxes keep events for seven days after they were first published.
const KEPT: TimeDelta = TimeDelta::days(6);

pub(crate) async fn look(
    access: &Access,
    books: &mut Books,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<()> {
    let Some(url) = &access.nats_url else {
        report.remark("streams: not looked at, since nobody said where the broker is".to_owned());
        return Ok(());
    };
    let (servers, options) = events::reach(url, access.nats_roots.as_deref())?;
    let client = options
        .name("bookstore-verify")
        .connection_timeout(ANSWER)
        .connect(servers)
        .await
        .context("the broker")?;
    let mut jetstream = jetstream::new(client.clone());
    jetstream.set_timeout(ANSWER);
    for service in Service::ALL {
        let Some(name) = service.stream() else { continue };
        match find(&jetstream, name).await? {
            Some(stream) => {
                let stream = Named { service, name, stream };
                compare(&stream, books, report, progress).await?;
                consumers::look(&stream, report).await?;
            }
            None => report.violation(Check::Streams, name, "is not there"),
        }
    }
    client.drain().await?;
    Ok(())
}

/// A service's stream.
struct Named {
    service: Service,
    name: &'static str,
    stream: Stream,
}

impl Named {
    async fn state(&self) -> Result<State> {
        let info = self.stream.get_info().await;
        Ok(info.with_context(|| format!("the stream {}", self.name))?.state)
    }
}

async fn find(jetstream: &Context, name: &str) -> Result<Option<Stream>> {
    match jetstream.get_stream(name).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(error).with_context(|| format!("the stream {name}")),
        },
    }
}

/// What is found in a stream that is no violation.
#[derive(Debug, Default)]
struct Told {
    /// Sequences of messages of somebody else.
    foreign: Vec<u64>,
    /// Messages that are there more than once.
    repeats: u64,
}

async fn compare(
    stream: &Named,
    books: &mut Books,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<()> {
    let name = stream.name;
    let state = stream.state().await?;
    let mut told = Told::default();
    if state.messages > 0 {
        let consumer =
            stream.stream.create_consumer(OrderedConfig { headers_only: true, ..OrderedConfig::default() });
        let consumer = consumer.await.with_context(|| format!("reading the stream {name}"))?;
        let reader = consumer.cached_info().name.clone();
        let messages = consumer.messages().await.with_context(|| format!("reading the stream {name}"))?;
        let read = read(stream, &state, messages, books, report, &mut told, progress).await;
        // Otherwise it ends by itself, a while later.
        let _ = stream.stream.delete_consumer(&reader).await;
        read?;
    }
    beyond(stream, state.last_sequence, books, report).await?;
    if let Some(first) = told.foreign.first() {
        let count = told.foreign.len();
        report.remark(format!("{name}: {count} messages of somebody else, the first one at {first}"));
    }
    if told.repeats > 0 {
        report.remark(format!("{name}: {} messages are there again; inboxes absorb them", told.repeats));
    }
    Ok(())
}

/// Reads the stream up to where it ended when it was asked, page by page.
async fn read(
    stream: &Named,
    state: &State,
    mut messages: Ordered,
    books: &mut Books,
    report: &mut Report,
    told: &mut Told,
    progress: Progress<'_>,
) -> Result<()> {
    let name = stream.name;
    let mut page = BTreeMap::new();
    // Before the first one that is there nothing can be missed.
    let mut seen = state.first_sequence.saturating_sub(1);
    while seen < state.last_sequence {
        let Ok(next) = tokio::time::timeout(ANSWER, messages.next()).await else {
            bail!("the broker sends nothing of the stream {name} beyond {seen}")
        };
        let next = next.with_context(|| format!("the stream {name} ended"))??;
        let info = next.info().map_err(|error| anyhow::anyhow!(error))?;
        let (sequence, is_last) = (info.stream_sequence, info.pending == 0);
        page.insert(sequence, Message::read(&next, stream.service));
        let is_end = is_last || sequence >= state.last_sequence;
        if is_end || page.len() >= AT_ONCE {
            let last = if is_end { state.last_sequence.max(sequence) } else { sequence };
            hold(stream, &page, seen + 1..=last, books, report, told).await?;
            report.looked(Check::Streams, page.len());
            progress(&format!("{name}: {last} of {}", state.last_sequence));
            page.clear();
            seen = last;
        }
    }
    Ok(())
}

/// Holds the messages of a part of the stream against the rows of the outbox that are theirs, and those that are noted
/// there. The messages were read first: each had its row before it was sent.
async fn hold(
    stream: &Named,
    messages: &BTreeMap<u64, Message>,
    part: std::ops::RangeInclusive<u64>,
    books: &mut Books,
    report: &mut Report,
    told: &mut Told,
) -> Result<()> {
    let (service, name) = (stream.service, stream.name);
    let ids: Vec<Uuid> = messages.values().filter_map(|message| message.event).collect();
    let db = books.of(service)?;
    let now: DateTime<Utc> = query_scalar("SELECT now()").fetch_one(&mut *db).await?;
    let rows: Vec<(Uuid, Option<i64>)> =
        query_as("SELECT event_id, stream_sequence FROM outbox WHERE event_id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *db)
            .await?;
    let known: HashMap<Uuid, Option<i64>> = rows.into_iter().collect();
    for (sequence, message) in messages {
        let Some(event) = message.event.filter(|_| message.is_ours) else {
            told.foreign.push(*sequence);
            continue;
        };
        match known.get(&event) {
            Some(Some(noted)) if u64::try_from(*noted) != Ok(*sequence) => told.repeats += 1,
            // One without a note is on its way to it, or its relay died before.
            Some(_) => {}
            None if message.time.is_some_and(|time| time <= now - KEPT) => {}
            None => {
                let wrong = format!("is in {name} at {sequence}, and no outbox knows it");
                report.violation(Check::Streams, EventId::from_uuid(event), wrong);
            }
        }
    }
    let noted: Vec<(i64, Uuid)> =
        query_as("SELECT stream_sequence, event_id FROM outbox WHERE stream_sequence BETWEEN $1 AND $2")
            .bind(i64::try_from(*part.start())?)
            .bind(i64::try_from(*part.end())?)
            .fetch_all(db)
            .await?;
    for (sequence, event) in noted {
        // A message that is not there any more was deleted on purpose: its neighbours are there.
        let Some(message) = u64::try_from(sequence).ok().and_then(|sequence| messages.get(&sequence)) else {
            continue;
        };
        if message.event != Some(event) {
            let there = message
                .event
                .map_or_else(|| "nothing of ours".to_owned(), |id| EventId::from_uuid(id).to_string());
            let wrong = format!("is noted at {sequence} of {name}, where {there} is");
            report.violation(Check::Streams, EventId::from_uuid(event), wrong);
        }
    }
    Ok(())
}

/// Rows that are noted where the stream has not come yet. It is asked after they were read.
async fn beyond(stream: &Named, last: u64, books: &mut Books, report: &mut Report) -> Result<()> {
    let rows: Vec<(i64, Uuid)> = query_as(
        "SELECT stream_sequence, event_id FROM outbox WHERE stream_sequence > $1 ORDER BY stream_sequence LIMIT 1000",
    )
    .bind(i64::try_from(last)?)
    .fetch_all(books.of(stream.service)?)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let (name, now) = (stream.name, stream.state().await?.last_sequence);
    for (sequence, event) in rows {
        if u64::try_from(sequence)? > now {
            let wrong = format!("is noted at {sequence} of {name}, which ends at {now}");
            report.violation(Check::Streams, EventId::from_uuid(event), wrong);
        }
    }
    Ok(())
}
