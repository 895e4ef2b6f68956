//! The table of dead letters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use serde_json::Value as Json;
use uuid::Uuid;
use values::{DeadLetterId, EventId};

use super::{DeadLetter, State};
use crate::{consumer::Held, metrics};

/// How much of a reason is kept, in characters. A page of two hundred is sent as one message.
const LONGEST_ERROR: usize = 4_000;

/// How many nobody has decided about.
pub(super) async fn count_dead(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let count = "SELECT count(*) AS dead FROM dead_letters WHERE resolution IS NULL";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, count)).await?;
    let dead: i64 = row.map(|row| row.try_get("", "dead")).transpose()?.unwrap_or_default();
    Ok(dead.unsigned_abs())
}

/// Gives a message up. A repeat of it does nothing: the row takes the place of the one in the inbox.
pub(crate) async fn bury(
    tx: &impl ConnectionTrait,
    consumer: &'static str,
    id: Uuid,
    held: &Held,
    error: &str,
    attempts: i64,
) -> Result<(), DbErr> {
    let headers: BTreeMap<String, Vec<String>> = held
        .headers()
        .into_iter()
        .flat_map(async_nats::HeaderMap::iter)
        .map(|(name, values)| {
            let values = values.iter().map(|value| kept(value.as_str().chars())).collect();
            (name.to_string(), values)
        })
        .collect();
    let sql = "INSERT INTO dead_letters
            (dead_letter_id, consumer, event_id, subject, headers, payload, error, attempts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (consumer, event_id) DO NOTHING";
    let values = [
        DeadLetterId::new().uuid().into(),
        consumer.into(),
        id.into(),
        held.subject().into(),
        serde_json::json!(headers).into(),
        held.payload().to_vec().into(),
        kept(error.chars().take(LONGEST_ERROR)).into(),
        i32::try_from(attempts).unwrap_or(i32::MAX).into(),
    ];
    tx.execute_raw(statement(sql, values)).await?;
    tracing::error!(consumer, event = %EventId::from_uuid(id), error, attempts, "a message was given up");
    metrics::METRICS.dead_letters.add(1, &metrics::consumer(consumer));
    Ok(())
}

/// Postgres keeps every character but one.
fn kept(text: impl Iterator<Item = char>) -> String {
    text.map(|letter| if letter == '\0' { '\u{FFFD}' } else { letter }).collect()
}

const SUMMARY: &str = "id, dead_letter_id, consumer, event_id, subject, error, attempts, resolution,
    buried_at, resolved_at";

#[derive(FromQueryResult)]
struct Row {
    id: i64,
    dead_letter_id: Uuid,
    consumer: String,
    event_id: Uuid,
    subject: String,
    aggregate_id: Option<String>,
    error: String,
    attempts: i32,
    resolution: Option<String>,
    buried_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
    headers: Json,
    payload: Vec<u8>,
}

impl TryFrom<Row> for DeadLetter {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let state = match row.resolution.as_deref() {
            None => State::Dead,
            Some("REPLAYED") => State::Replayed,
            Some("DISCARDED") => State::Discarded,
            Some(other) => return Err(DbErr::Type(format!("a dead letter is {other}"))),
        };
        let headers: BTreeMap<String, Vec<String>> =
            serde_json::from_value(row.headers).map_err(|error| DbErr::Json(error.to_string()))?;
        Ok(Self {
            id: DeadLetterId::from_uuid(row.dead_letter_id),
            consumer: row.consumer,
            event_id: EventId::from_uuid(row.event_id),
            subject: row.subject,
            aggregate_id: row.aggregate_id.unwrap_or_default(),
            error: row.error,
            attempts: row.attempts,
            state,
            buried_at: row.buried_at,
            resolved_at: row.resolved_at,
            headers: headers.into_iter().map(|(name, values)| (name, values.join(", "))).collect(),
            payload: row.payload,
            place: row.id,
        })
    }
}

/// The oldest beyond a place.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    after: i64,
    limit: u64,
    include_resolved: bool,
) -> Result<Vec<DeadLetter>, DbErr> {
    let unresolved = if include_resolved { "" } else { "AND resolution IS NULL" };
    let sql = format!(
        "SELECT {SUMMARY}, headers->'ce-subject'->>0 AS aggregate_id, '{{}}'::jsonb AS headers, ''::bytea AS payload
         FROM dead_letters WHERE id > $1 {unresolved} ORDER BY id LIMIT $2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = Row::find_by_statement(statement(&sql, [after.into(), limit.into()])).all(db).await?;
    rows.into_iter().map(DeadLetter::try_from).collect()
}

pub(super) async fn get(db: &impl ConnectionTrait, id: DeadLetterId) -> Result<Option<DeadLetter>, DbErr> {
    select(db, id, "").await
}

/// Reads one that nobody else may decide about until the transaction ends.
pub(super) async fn lock(tx: &impl ConnectionTrait, id: DeadLetterId) -> Result<Option<DeadLetter>, DbErr> {
    select(tx, id, "FOR UPDATE").await
}

async fn select(
    db: &impl ConnectionTrait,
    id: DeadLetterId,
    locking: &str,
) -> Result<Option<DeadLetter>, DbErr> {
    let sql = format!(
        "SELECT {SUMMARY}, headers->'ce-subject'->>0 AS aggregate_id, headers, payload
         FROM dead_letters WHERE dead_letter_id = $1 {locking}"
    );
    let row = Row::find_by_statement(statement(&sql, [id.uuid().into()])).one(db).await?;
    row.map(DeadLetter::try_from).transpose()
}

/// Changes the state of one that nobody has decided about.
pub(super) async fn resolve(db: &impl ConnectionTrait, id: DeadLetterId, state: State) -> Result<(), DbErr> {
    let resolution = match state {
        State::Dead => return Ok(()),
        State::Replayed => "REPLAYED",
        State::Discarded => "DISCARDED",
    };
    let sql = "UPDATE dead_letters SET resolution = $2, resolved_at = now()
        WHERE dead_letter_id = $1 AND resolution IS NULL";
    db.execute_raw(statement(sql, [id.uuid().into(), resolution.into()])).await?;
    Ok(())
}

fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
