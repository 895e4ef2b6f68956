//! What sessions go on with.
//!
//! Whoever exchanges a token locks its session first: exchanges within one session take turns.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use server::database::sql;
use values::{RequestId, SessionId, UserId};

use crate::refresh::TokenHash;

/// A token that somebody shows, and where it stands.
#[derive(FromQueryResult, Debug)]
pub(crate) struct Shown {
    session_id: sea_orm::prelude::Uuid,
    user_id: sea_orm::prelude::Uuid,
    pub(crate) has_session_ended: bool,
    pub(crate) has_expired: bool,
    /// The request that it was exchanged by.
    pub(crate) used_by: Option<String>,
}

impl Shown {
    pub(crate) const fn session(&self) -> SessionId {
        SessionId::from_uuid(self.session_id)
    }

    pub(crate) const fn user(&self) -> UserId {
        UserId::from_uuid(self.user_id)
    }
}

/// The token with this hash, locked with its session.
pub(crate) async fn lock(tx: &impl ConnectionTrait, hash: &TokenHash) -> Result<Option<Shown>, DbErr> {
    let statement = sql(
        "SELECT session_id, user_id, ended_at IS NOT NULL AS has_session_ended,
                expires_at <= now() AS has_expired, used_by
         FROM refresh_tokens JOIN sessions ON sessions.id = session_id
         WHERE hash = $1
         FOR NO KEY UPDATE OF sessions, refresh_tokens",
        [hash.to_vec().into()],
    );
    Shown::find_by_statement(statement).one(tx).await
}

/// Gives a session its next token; answers with when that ends.
pub(crate) async fn issue(
    tx: &impl ConnectionTrait,
    session: SessionId,
    hash: &TokenHash,
    ttl: Duration,
) -> Result<DateTime<Utc>, DbErr> {
    let statement = sql(
        "INSERT INTO refresh_tokens (hash, session_id, expires_at)
         VALUES ($1, $2, now() + make_interval(secs => $3)) RETURNING expires_at",
        [hash.to_vec().into(), session.uuid().into(), ttl.as_secs_f64().into()],
    );
    let row = tx.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotInserted)?.try_get("", "expires_at")
}

/// A locked token is good no more.
pub(crate) async fn use_up(tx: &impl ConnectionTrait, hash: &TokenHash, by: &RequestId) -> Result<(), DbErr> {
    let statement = sql(
        "UPDATE refresh_tokens SET used_by = $2 WHERE hash = $1",
        [hash.to_vec().into(), by.as_str().into()],
    );
    tx.execute_raw(statement).await.map(drop)
}

/// When a token ends that has not been used yet.
pub(crate) async fn end_of_unused(
    tx: &impl ConnectionTrait,
    hash: &TokenHash,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let statement = sql(
        "SELECT expires_at FROM refresh_tokens WHERE hash = $1 AND used_by IS NULL AND expires_at > now()",
        [hash.to_vec().into()],
    );
    tx.query_one_raw(statement).await?.map(|row| row.try_get("", "expires_at")).transpose()
}

/// Deletes at most `limit` tokens that nobody could use any more, and tells how many. Leaves those to others that others
/// are deleting.
pub(crate) async fn delete_expired(db: &impl ConnectionTrait, limit: u32) -> Result<u64, DbErr> {
    let statement = sql(
        "DELETE FROM refresh_tokens WHERE hash IN (
             SELECT hash FROM refresh_tokens WHERE expires_at < now()
             ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
         )",
        [i64::from(limit).into()],
    );
    Ok(db.execute_raw(statement).await?.rows_affected())
}
