//! Taking deliveries to send them, and what became of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{DeliveryId, UserId};

use super::sql;
use crate::domain::news::News;

/// A delivery that is this process's to send, for as long as its lease lasts.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: DeliveryId,
    pub(crate) subject: String,
    pub(crate) user: UserId,
    /// Nothing if another release wrote it, whose words this one doesn't know.
    pub(crate) news: Option<News>,
    pub(crate) traceparent: Option<String>,
    /// Which attempt this is, from 1.
    pub(crate) attempt: i32,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    subject: String,
    user_id: Uuid,
    news: String,
    traceparent: Option<String>,
    attempts: i32,
    created_at: DateTime<Utc>,
}

impl From<Row> for Due {
    fn from(row: Row) -> Self {
        Self {
            id: DeliveryId::from_uuid(row.id),
            subject: row.subject,
            user: UserId::from_uuid(row.user_id),
            news: serde_json::from_str(&row.news).ok(),
            traceparent: row.traceparent,
            attempt: row.attempts,
            created_at: row.created_at,
        }
    }
}

/// Takes at most `limit` deliveries whose time has come and notes the attempt: committed before anything is sent.
/// Nobody else takes them before the lease is over.
pub(crate) async fn take(
    db: &impl ConnectionTrait,
    lease: Duration,
    limit: usize,
) -> Result<Vec<Due>, DbErr> {
    let take = "
        UPDATE deliveries SET attempts = attempts + 1, due_at = now() + $1 * interval '1 second'
        WHERE id = ANY(ARRAY(
            SELECT id FROM deliveries WHERE state = 'PENDING' AND due_at <= now()
            ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        RETURNING id, subject, user_id, news, traceparent, attempts, created_at";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = Row::find_by_statement(sql(take, [lease.as_secs_f64().into(), limit.into()])).all(db).await?;
    Ok(rows.into_iter().map(Due::from).collect())
}

/// The mail server has these: true whoever says so, and however late.
pub(crate) async fn sent(db: &impl ConnectionTrait, deliveries: &[DeliveryId]) -> Result<(), DbErr> {
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.uuid()).collect();
    // In the order of their ids, as everywhere: replicas that sent the same mails wait for each other.
    let update = "
        WITH taken AS (
            SELECT id FROM deliveries WHERE id = ANY($1) AND state <> 'SENT' ORDER BY id FOR UPDATE
        )
        UPDATE deliveries SET state = 'SENT', sent_at = now(), last_error = ''
        FROM taken WHERE deliveries.id = taken.id";
    db.execute_raw(sql(update, [ids.into()])).await?;
    Ok(())
}

/// It will not be sent. Nothing if another attempt began meanwhile.
pub(crate) async fn failed(db: &impl ConnectionTrait, due: &Due, error: &str) -> Result<(), DbErr> {
    let update = "
        UPDATE deliveries SET state = 'FAILED', last_error = $3
        WHERE id = $1 AND attempts = $2 AND state = 'PENDING'";
    db.execute_raw(sql(update, [due.id.uuid().into(), due.attempt.into(), error.into()])).await?;
    Ok(())
}

/// It is tried again after `delay`, unless it has been tried for longer than `patience`. Nothing if another attempt
/// began meanwhile.
pub(crate) async fn postponed(
    db: &impl ConnectionTrait,
    due: &Due,
    error: &str,
    delay: Duration,
    patience: Duration,
) -> Result<(), DbErr> {
    let update = "
        UPDATE deliveries SET
            state = CASE WHEN created_at + $5 * interval '1 second' < now() THEN 'FAILED' ELSE 'PENDING' END,
            due_at = now() + $4 * interval '1 second',
            last_error = $3
        WHERE id = $1 AND attempts = $2 AND state = 'PENDING'";
    let values = [
        due.id.uuid().into(),
        due.attempt.into(),
        error.into(),
        delay.as_secs_f64().into(),
        patience.as_secs_f64().into(),
    ];
    db.execute_raw(sql(update, values)).await?;
    Ok(())
}

/// How many wait to be sent.
pub(crate) async fn count_pending(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let count = "SELECT count(*) AS pending FROM deliveries WHERE state = 'PENDING'";
    let row = db.query_one_raw(sql(count, [])).await?;
    let pending: i64 = row.map(|row| row.try_get("", "pending")).transpose()?.unwrap_or_default();
    Ok(pending.unsigned_abs())
}
