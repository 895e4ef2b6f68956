use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};
use server::database::sql;
use values::UserId;

use crate::registration::Registration;

/// Who was made by an earlier request with the same id and e-mail address.
pub(crate) struct Made {
    pub(crate) user: UserId,
    /// Whether it asked for the same, as far as can be told without the password.
    pub(crate) is_same: bool,
}

/// Looks up an earlier request; the user may be gone.
pub(crate) async fn find(db: &impl ConnectionTrait, wanted: &Registration) -> Result<Option<Made>, DbErr> {
    let statement = sql(
        "SELECT user_id, body = $2 AS is_same FROM registrations WHERE request = $1",
        [wanted.request.clone().into(), wanted.body.clone().into()],
    );
    let Some(row) = db.query_one_raw(statement).await? else { return Ok(None) };
    let user = UserId::from_uuid(row.try_get("", "user_id")?);
    Ok(Some(Made { user, is_same: row.try_get("", "is_same")? }))
}

/// Remembers who is made by a request; `false` if it has made somebody.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    registration: &Registration,
    user: UserId,
) -> Result<bool, DbErr> {
    let statement = sql(
        "INSERT INTO registrations (request, body, user_id) VALUES ($1, $2, $3) ON CONFLICT (request) DO NOTHING",
        [registration.request.clone().into(), registration.body.clone().into(), user.uuid().into()],
    );
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}

/// Forgets at most `limit` requests that are older than `age`, and tells how many. Leaves those to others that others are
/// deleting.
pub(crate) async fn delete_old(db: &impl ConnectionTrait, age: Duration, limit: u32) -> Result<u64, DbErr> {
    let statement = sql(
        "DELETE FROM registrations WHERE request IN (
             SELECT request FROM registrations WHERE created_at < now() - make_interval(secs => $1)
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        [age.as_secs_f64().into(), i64::from(limit).into()],
    );
    Ok(db.execute_raw(statement).await?.rows_affected())
}
