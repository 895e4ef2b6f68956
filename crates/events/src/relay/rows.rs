//! The outbox as the relay sees it.

use std::borrow::Cow;

use async_nats::{HeaderMap, HeaderValue, header::ParseHeaderValueError, jetstream::message::PublishMessage};
use chrono::{DateTime, SecondsFormat, Utc};
use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement, Value};
use tracing::{Dispatch, instrument::WithSubscriber as _};
use uuid::Uuid;

use crate::{EventId, answered};

/// How many rows are published before their acknowledgements are noted.
pub(super) const PIPELINE: usize = 512;

/// How many rows one statement changes when there may be millions.
const CHUNK: i64 = 5_000;

#[derive(Debug, FromQueryResult)]
pub(super) struct Row {
    pub(super) id: i64,
    event_id: Uuid,
    pub(super) subject: String,
    aggregate_id: String,
    sequence: i64,
    payload: Vec<u8>,
    pub(super) traceparent: Option<String>,
    created_at: DateTime<Utc>,
}

impl Row {
    /// The event as a message: `CloudEvents`' attributes in headers, the payload as it is.
    pub(super) fn message(
        &self,
        service: &str,
        expected: u64,
    ) -> Result<PublishMessage, ParseHeaderValueError> {
        let id = EventId::from_uuid(self.event_id).to_string();
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| -> Result<(), ParseHeaderValueError> {
            headers.insert(name, value.parse::<HeaderValue>()?);
            Ok(())
        };
        set("ce-specversion", "1.0")?;
        set("ce-id", &id)?;
        set("ce-source", &format!("/bookstore/{service}"))?;
        set("ce-type", &self.subject)?;
        set("ce-subject", &self.aggregate_id)?;
        set("ce-sequence", &self.sequence.to_string())?;
        set("ce-time", &self.created_at.to_rfc3339_opts(SecondsFormat::Micros, true))?;
        set("ce-datacontenttype", "application/protobuf")?;
        if let Some(traceparent) = self.handed_on(&id) {
            set(telemetry::propagation::TRACEPARENT, &traceparent)?;
        }
        let message =
            PublishMessage::build().payload(self.payload.clone().into()).headers(headers).message_id(id);
        if is_off(Guard::ExpectedSequence) {
            return Ok(message);
        }
        Ok(message.expected_last_sequence(expected))
    }

    /// The context in which the event is handled: that of its own span, where one is recorded, so that its trace says
    /// whence and whither.
    fn handed_on(&self, id: &str) -> Option<Cow<'_, str>> {
        let caused_by = self.traceparent.as_deref()?;
        if !telemetry::propagation::may_be_recorded(Some(caused_by)) {
            return Some(caused_by.into());
        }
        let span = tracing::info_span!(
            target: telemetry::ENTRY,
            "create",
            otel.name = format!("create {}", self.subject),
            otel.kind = "producer",
            messaging.system = "nats",
            messaging.operation.name = "create",
            messaging.operation.r#type = "create",
            messaging.destination.name = self.subject,
            messaging.message.id = id,
        );
        telemetry::propagation::follow(&span, Some(caused_by));
        Some(telemetry::propagation::traceparent_of(&span).map_or(caused_by.into(), Cow::from))
    }
}

const COLUMNS: &str = "id, event_id, subject, aggregate_id, sequence, payload, traceparent, created_at";

/// The next rows from this id on that were never published, in their order. Not "those beyond the last one": a
/// transaction with a lower id may commit after one with a higher.
pub(super) async fn unpublished(db: &DatabaseConnection, from: i64) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox
         WHERE id >= $1 AND stream_sequence IS NULL AND refused IS NULL AND lost_sequence IS NULL
         ORDER BY id LIMIT {PIPELINE}"
    );
    // Asked five times a second: not worth a span each.
    select(db, &sql, [from.into()]).with_subscriber(Dispatch::none()).await
}

/// The next rows that the stream has lost, in the order in which it had them.
pub(super) async fn lost(db: &DatabaseConnection) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox
         WHERE lost_sequence IS NOT NULL AND refused IS NULL
         ORDER BY lost_sequence, id LIMIT {PIPELINE}"
    );
    select(db, &sql, []).await
}

async fn select<const N: usize>(
    db: &DatabaseConnection,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Row>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    answered(Row::find_by_statement(statement).all(db)).await
}

/// Where the stream has each row.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) ids: Vec<i64>,
    pub(super) sequences: Vec<i64>,
}

/// Notes what was acknowledged. The higher of two notes stays, in case a second relay's comes late: one that is too
/// high has a row published once more, one that is too low could hide that it was lost.
///
/// Not waited for until it is on the disk: a database server that loses its last notes has these rows published once
/// more, as a relay that died before noting them.
pub(super) async fn note(db: &DatabaseConnection, notes: Notes) -> Result<(), DbErr> {
    let sql = "UPDATE outbox
        SET stream_sequence = GREATEST(outbox.stream_sequence, note.sequence),
            first_published_at = COALESCE(first_published_at, now()),
            lost_sequence = NULL
        FROM set_config('synchronous_commit', 'off', true), unnest($1::bigint[], $2::bigint[]) AS note (id, sequence)
        WHERE outbox.id = note.id";
    execute(db, sql, [notes.ids.into(), notes.sequences.into()]).await?;
    Ok(())
}

/// Sets a row aside that the broker will never take.
pub(super) async fn refuse(db: &DatabaseConnection, id: i64, reason: String) -> Result<(), DbErr> {
    execute(db, "UPDATE outbox SET refused = $2 WHERE id = $1", [id.into(), reason.into()]).await?;
    Ok(())
}

/// Marks all rows noted beyond `last` as lost, lowest first, and says how many. Until they are published again the
/// marks outlive a crash, and foreign messages at the sequences that the rows had.
pub(super) async fn mark_lost(db: &DatabaseConnection, last: u64) -> Result<u64, DbErr> {
    let sql = "UPDATE outbox SET lost_sequence = stream_sequence, stream_sequence = NULL
        WHERE id IN (SELECT id FROM outbox WHERE stream_sequence > $1 ORDER BY stream_sequence LIMIT $2)";
    let mut marked = 0;
    loop {
        let chunk = execute(db, sql, [signed(last).into(), CHUNK.into()]).await?;
        marked += chunk;
        if chunk < CHUNK.unsigned_abs() {
            return Ok(marked);
        }
    }
}

/// The highest sequence up to `limit` that is noted, with the events noted there.
pub(super) async fn noted_up_to(
    db: &DatabaseConnection,
    limit: u64,
) -> Result<Option<(u64, Vec<EventId>)>, DbErr> {
    let sql = "SELECT stream_sequence, event_id FROM outbox
        WHERE stream_sequence = (SELECT max(stream_sequence) FROM outbox WHERE stream_sequence <= $1)";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [signed(limit).into()]);
    let mut found: Option<(u64, Vec<EventId>)> = None;
    for row in answered(db.query_all_raw(statement)).await? {
        let sequence: i64 = row.try_get("", "stream_sequence")?;
        let event = EventId::from_uuid(row.try_get("", "event_id")?);
        found.get_or_insert_with(|| (sequence.unsigned_abs(), Vec::new())).1.push(event);
    }
    Ok(found)
}

/// Deletes some of the oldest rows, if they were published long enough ago. Whether there may be more.
pub(super) async fn delete_expired(db: &DatabaseConnection, days: i32) -> Result<bool, DbErr> {
    let sql = "DELETE FROM outbox WHERE id IN (
            SELECT id FROM (
                SELECT id, first_published_at, stream_sequence FROM outbox
                WHERE refused IS NULL ORDER BY id LIMIT $2
            ) AS oldest
            WHERE stream_sequence IS NOT NULL AND first_published_at < now() - make_interval(days => $1)
        )";
    let deleted = execute(db, sql, [days.into(), CHUNK.into()]).with_subscriber(Dispatch::none()).await?;
    Ok(deleted == CHUNK.unsigned_abs())
}

/// How many rows the broker doesn't have, and for how many seconds the oldest of them has waited.
pub(super) async fn lag(db: &DatabaseConnection) -> Result<(u64, f64), DbErr> {
    let sql =
        "SELECT count(*) AS rows, COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age
        FROM outbox WHERE stream_sequence IS NULL AND refused IS NULL";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = answered(db.query_one_raw(statement))
        .with_subscriber(Dispatch::none())
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("a count".to_owned()))?;
    let rows: i64 = row.try_get("", "rows")?;
    Ok((rows.unsigned_abs(), row.try_get("", "age")?))
}

async fn execute<const N: usize>(
    db: &DatabaseConnection,
    sql: &str,
    values: [Value; N],
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let done = answered(db.execute_raw(statement)).await?;
    Ok(done.rows_affected())
}

/// Postgres has no unsigned integers; no stream reaches the end of these.
pub(super) fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
