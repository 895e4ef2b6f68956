use auth::{Access, Customer};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use server::database::sql;
use values::{SessionId, UserId};

/// A sign-in that has begun, with what the user may do at its begin.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) session: SessionId,
    pub(crate) access: Access,
    /// In alphabetical order.
    pub(crate) roles: Vec<String>,
}

#[derive(FromQueryResult)]
struct Row {
    access_version: i64,
    roles: Vec<String>,
    permissions: Vec<String>,
}

/// Records a sign-in; `None` if the user is gone.
///
/// Version and permissions are of one snapshot: a change that commits later raises the version above the one that is
/// read here, so that no token tells of more than its version stands for.
pub(crate) async fn begin(db: &impl ConnectionTrait, user: UserId) -> Result<Option<Begun>, DbErr> {
    let session = SessionId::new();
    let statement = sql(
        "WITH session AS (INSERT INTO sessions (id, user_id) SELECT $1, id FROM users WHERE id = $2)
         SELECT access_version,
                ARRAY(SELECT role FROM user_roles WHERE user_id = $2 ORDER BY role) AS roles,
                ARRAY(SELECT DISTINCT permission FROM user_roles JOIN role_permissions USING (role)
                      WHERE user_id = $2) AS permissions
         FROM users WHERE id = $2",
        [session.uuid().into(), user.uuid().into()],
    );
    let Some(row) = db.query_one_raw(statement).await? else { return Ok(None) };
    let Row { access_version, roles, permissions } = Row::from_query_result(&row, "")?;
    // What a newer release allows means nothing here: its own replicas issue tokens that tell of it.
    let permissions = permissions.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(Some(Begun { session, access: Access { version: access_version, permissions }, roles }))
}

/// Ends the caller's session; `false` if it has ended.
///
/// One that was never recorded is recorded as ended: the release before this one issued tokens without a row.
pub(crate) async fn end(tx: &impl ConnectionTrait, caller: &Customer) -> Result<bool, DbErr> {
    let statement = sql(
        "INSERT INTO sessions (id, user_id, ended_at) VALUES ($1, $2, now())
         ON CONFLICT (id) DO UPDATE SET ended_at = now() WHERE sessions.ended_at IS NULL",
        [caller.session_id.uuid().into(), caller.user_id.uuid().into()],
    );
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}

/// Deletes at most `limit` sessions that began more than 30 days ago, and tells how many: their tokens expired long
/// before. Leaves those to others that others are deleting.
pub(crate) async fn delete_old(db: &impl ConnectionTrait, limit: u32) -> Result<u64, DbErr> {
    let statement = sql(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE created_at < now() - interval '30 days'
             ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
         )",
        [i64::from(limit).into()],
    );
    Ok(db.execute_raw(statement).await?.rows_affected())
}
