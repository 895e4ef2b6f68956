//! How often a message that keeps coming back was tried. The broker's own count says how often it was delivered, which
//! outages and messages that came too early raise too.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use uuid::Uuid;

/// From this many deliveries on a message is handled alone, and its attempts are noted.
pub(crate) const NOTED_AFTER: i64 = 3;

/// How many noted attempts a message has.
pub(crate) const LIMIT: i32 = 10;

/// What is known of a message's attempts, the present one included.
pub(crate) struct Noted {
    pub(crate) attempts: i32,
    pub(crate) last_error: Option<String>,
}

/// Notes an attempt before it is made, so that one which kills the process counts as well.
pub(crate) async fn note(db: &impl ConnectionTrait, consumer: &str, id: Uuid) -> Result<Noted, DbErr> {
    let sql = "INSERT INTO delivery_attempts (consumer, event_id, attempts) VALUES ($1, $2, 1)
        ON CONFLICT (consumer, event_id) DO UPDATE SET attempts = delivery_attempts.attempts + 1
        RETURNING attempts, last_error";
    let row = db
        .query_one_raw(statement(sql, [consumer.into(), id.into()]))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the attempt just noted".to_owned()))?;
    Ok(Noted { attempts: row.try_get("", "attempts")?, last_error: row.try_get("", "last_error")? })
}

/// Takes back the present attempt: it failed for no fault of the message.
pub(crate) async fn take_back(db: &impl ConnectionTrait, consumer: &str, id: Uuid) -> Result<(), DbErr> {
    let sql = "UPDATE delivery_attempts SET attempts = GREATEST(attempts - 1, 0)
        WHERE consumer = $1 AND event_id = $2";
    db.execute_raw(statement(sql, [consumer.into(), id.into()])).await?;
    Ok(())
}

/// Takes back the present attempt unless the message has come too early for an hour, by our own database's clock.
pub(crate) async fn take_back_if_young(
    db: &impl ConnectionTrait,
    consumer: &str,
    id: Uuid,
) -> Result<(), DbErr> {
    let sql = "UPDATE delivery_attempts
        SET attempts = CASE WHEN first_at > now() - interval '1 hour' THEN GREATEST(attempts - 1, 0) ELSE attempts END,
            last_error = 'what it refers to has not become known'
        WHERE consumer = $1 AND event_id = $2";
    db.execute_raw(statement(sql, [consumer.into(), id.into()])).await?;
    Ok(())
}

/// Notes why the present attempt failed.
pub(crate) async fn fail(
    db: &impl ConnectionTrait,
    consumer: &str,
    id: Uuid,
    error: &str,
) -> Result<(), DbErr> {
    let sql = "UPDATE delivery_attempts SET last_error = $3 WHERE consumer = $1 AND event_id = $2";
    db.execute_raw(statement(sql, [consumer.into(), id.into(), error.into()])).await?;
    Ok(())
}

/// Forgets a message that was handled or given up.
pub(crate) async fn forget(db: &impl ConnectionTrait, consumer: &str, id: Uuid) -> Result<(), DbErr> {
    let sql = "DELETE FROM delivery_attempts WHERE consumer = $1 AND event_id = $2";
    db.execute_raw(statement(sql, [consumer.into(), id.into()])).await?;
    Ok(())
}

fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
