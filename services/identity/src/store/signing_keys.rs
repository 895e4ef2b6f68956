//! What tokens are signed with. Who makes a key locks the table against others who do; readers don't wait.

use std::time::Duration;

use auth::PublicKey;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use server::database::sql;
use values::{RequestId, UserId};

/// A key that is served.
#[derive(FromQueryResult)]
pub(crate) struct Served {
    pub(crate) kid: String,
    x: String,
    pub(crate) sealed_by: String,
    /// The private half; nothing for the configured key.
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) is_active: bool,
}

impl Served {
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey { kid: self.kid.clone(), x: self.x.clone() }
    }
}

/// A key that somebody asked for.
#[derive(FromQueryResult, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Made {
    pub(crate) kid: String,
    pub(crate) active_at: DateTime<Utc>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewKey<'a> {
    pub(crate) public: &'a PublicKey,
    /// The name of the configured key, and the private half that it encrypted.
    pub(crate) sealed_by: &'a str,
    pub(crate) sealed: Vec<u8>,
    /// Until it signs.
    pub(crate) lead: Duration,
}

/// All keys whose tokens may still be good, the oldest first: those after which no other one has been signing for longer
/// than a token lives.
pub(crate) async fn all(db: &impl ConnectionTrait, token_life: Duration) -> Result<Vec<Served>, DbErr> {
    let statement = sql(
        "SELECT kid, x, sealed_by, sealed, active_at <= now() AS is_active FROM signing_keys
         WHERE NOT EXISTS (
             SELECT 1 FROM signing_keys AS newer
             WHERE newer.active_at <= now() - make_interval(secs => $1)
                 AND (newer.active_at, newer.kid) > (signing_keys.active_at, signing_keys.kid)
         )
         ORDER BY active_at, kid",
        [token_life.as_secs_f64().into()],
    );
    Served::find_by_statement(statement).all(db).await
}

/// Which key signs at this moment, of those that the configured key opens.
pub(crate) async fn current(db: &impl ConnectionTrait, sealed_by: &str) -> Result<Option<String>, DbErr> {
    let statement = sql(
        "SELECT kid FROM signing_keys WHERE sealed_by = $1 AND active_at <= now()
         ORDER BY active_at DESC, kid DESC LIMIT 1",
        [sealed_by.into()],
    );
    db.query_one_raw(statement).await?.map(|row| row.try_get("", "kid")).transpose()
}

/// Lets the configured key sign from this moment on, where none that it opens does.
pub(crate) async fn register(db: &impl ConnectionTrait, configured: &PublicKey) -> Result<(), DbErr> {
    let statement = sql(
        "INSERT INTO signing_keys (kid, x, sealed_by, active_at) SELECT $1, $2, $1, now()
         WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE sealed_by = $1 AND active_at <= now())
         ON CONFLICT DO NOTHING",
        [configured.kid.as_str().into(), configured.x.as_str().into()],
    );
    db.execute_raw(statement).await.map(drop)
}

/// Until the end of the transaction, nobody else makes a key.
pub(crate) async fn lock(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_unprepared("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").await.map(drop)
}

/// Whether every key that the configured key opens is older than that.
pub(crate) async fn is_due(
    db: &impl ConnectionTrait,
    sealed_by: &str,
    period: Duration,
) -> Result<bool, DbErr> {
    let statement = sql(
        "SELECT 1 FROM signing_keys
         WHERE sealed_by = $1 AND active_at > now() - make_interval(secs => $2) LIMIT 1",
        [sealed_by.into(), period.as_secs_f64().into()],
    );
    Ok(db.query_one_raw(statement).await?.is_none())
}

/// Serves a key from the commit on, to sign later.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    new: NewKey<'_>,
    request: Option<(UserId, &RequestId)>,
) -> Result<Made, DbErr> {
    let statement = sql(
        "INSERT INTO signing_keys (kid, x, sealed_by, sealed, active_at, requested_by, request_id)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), $6, $7) RETURNING kid, active_at",
        [
            new.public.kid.as_str().into(),
            new.public.x.as_str().into(),
            new.sealed_by.into(),
            new.sealed.into(),
            new.lead.as_secs_f64().into(),
            request.map(|(user, _)| user.uuid()).into(),
            request.map(|(_, request_id)| request_id.as_str().to_owned()).into(),
        ],
    );
    Made::find_by_statement(statement).one(tx).await?.ok_or(DbErr::RecordNotInserted)
}

/// The key that a request of the caller made.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Made>, DbErr> {
    let statement = sql(
        "SELECT kid, active_at FROM signing_keys WHERE requested_by = $1 AND request_id = $2",
        [caller.uuid().into(), request_id.as_str().into()],
    );
    Made::find_by_statement(statement).one(db).await
}

/// Deletes what isn't served any more, and tells how many these were.
pub(crate) async fn delete_outlived(db: &impl ConnectionTrait, token_life: Duration) -> Result<u64, DbErr> {
    let statement = sql(
        "DELETE FROM signing_keys USING signing_keys AS newer
         WHERE newer.active_at <= now() - make_interval(secs => $1)
             AND (newer.active_at, newer.kid) > (signing_keys.active_at, signing_keys.kid)",
        [token_life.as_secs_f64().into()],
    );
    Ok(db.execute_raw(statement).await?.rows_affected())
}
