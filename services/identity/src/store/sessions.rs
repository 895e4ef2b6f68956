use std::time::Duration;

use auth::Customer;
use sea_orm::{ConnectionTrait, DbErr};
use server::database::sql;
use values::{SessionId, UserId};

/// Records a sign-in of a locked user.
pub(crate) async fn begin(tx: &impl ConnectionTrait, user: UserId) -> Result<SessionId, DbErr> {
    let session = SessionId::new();
    let statement = sql(
        "INSERT INTO sessions (id, user_id) VALUES ($1, $2)",
        [session.uuid().into(), user.uuid().into()],
    );
    tx.execute_raw(statement).await?;
    Ok(session)
}

/// A locked session gets another access token.
pub(crate) async fn go_on(tx: &impl ConnectionTrait, session: SessionId) -> Result<(), DbErr> {
    let statement = sql("UPDATE sessions SET last_issued_at = now() WHERE id = $1", [session.uuid().into()]);
    tx.execute_raw(statement).await.map(drop)
}

/// Ends a session of the user; `false` if it has ended.
///
/// One that was never recorded is recorded as ended: the release that knew no sessions issued tokens without a row.
pub(crate) async fn end(tx: &impl ConnectionTrait, session: SessionId, user: UserId) -> Result<bool, DbErr> {
    let statement = sql(
        "INSERT INTO sessions (id, user_id, ended_at) VALUES ($1, $2, now())
         ON CONFLICT (id) DO UPDATE SET ended_at = now() WHERE sessions.ended_at IS NULL",
        [session.uuid().into(), user.uuid().into()],
    );
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}

/// Ends all sessions of the locked caller but this one. Answers with those whose access tokens may still be good: all
/// that got one within the last 20 minutes, which is longer than any lives.
pub(crate) async fn end_others(
    tx: &impl ConnectionTrait,
    caller: &Customer,
) -> Result<Vec<SessionId>, DbErr> {
    let statement = sql(
        "WITH ended AS (
             UPDATE sessions SET ended_at = now()
             WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL
             RETURNING id, last_issued_at
         )
         SELECT id FROM ended WHERE last_issued_at > now() - interval '20 minutes' ORDER BY id",
        [caller.user_id.uuid().into(), caller.session_id.uuid().into()],
    );
    let rows = tx.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "id").map(SessionId::from_uuid)).collect()
}

/// Deletes at most `limit` sessions that have not gone on for `idle`, and tells how many: their tokens expired before.
/// Leaves those to others that others are deleting.
pub(crate) async fn delete_old(db: &impl ConnectionTrait, idle: Duration, limit: u32) -> Result<u64, DbErr> {
    let statement = sql(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE last_issued_at < now() - make_interval(secs => $1)
             ORDER BY last_issued_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        [idle.as_secs_f64().into(), i64::from(limit).into()],
    );
    Ok(db.execute_raw(statement).await?.rows_affected())
}
