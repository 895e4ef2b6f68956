//! Which roles there are, and who has them.
//!
//! Whoever changes them locks the role first and the user second: two who take a role from its last two holders take
//! turns, and nobody waits in a circle. Neither lock stands in the way of foreign keys.

use auth::{Customer, Permission};
use sea_orm::{ConnectionTrait, DbErr};
use server::database::sql;
use values::UserId;

use crate::domain::Role;

/// Locks a role against other changes of who has it; `false` if there is no such role.
pub(crate) async fn lock(tx: &impl ConnectionTrait, role: &Role) -> Result<bool, DbErr> {
    let statement = sql("SELECT name FROM roles WHERE name = $1 FOR NO KEY UPDATE", [role.as_str().into()]);
    Ok(tx.query_one_raw(statement).await?.is_some())
}

/// Whether anybody has the role.
pub(crate) async fn is_held(db: &impl ConnectionTrait, role: &Role) -> Result<bool, DbErr> {
    let statement = sql("SELECT 1 FROM user_roles WHERE role = $1 LIMIT 1", [role.as_str().into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// Whether the caller's roles allow it, and the token that says who calls is still good. A session that is not known is
/// one of the release that didn't note them.
pub(crate) async fn allow(
    db: &impl ConnectionTrait,
    caller: &Customer,
    permission: Permission,
) -> Result<bool, DbErr> {
    let statement = sql(
        "SELECT 1 FROM users
         JOIN user_roles ON user_roles.user_id = users.id JOIN role_permissions USING (role)
         WHERE users.id = $1 AND permission = $2 AND access_version <= $3
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $4 AND ended_at IS NOT NULL)
         LIMIT 1",
        [
            caller.user_id.uuid().into(),
            permission.name().into(),
            caller.version().into(),
            caller.session_id.uuid().into(),
        ],
    );
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// Gives the role to the user; `false` if they have it. Nobody in person is the configuration.
pub(crate) async fn grant(
    tx: &impl ConnectionTrait,
    user: UserId,
    role: &Role,
    by: Option<UserId>,
) -> Result<bool, DbErr> {
    let statement = sql(
        "INSERT INTO user_roles (user_id, role, granted_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [user.uuid().into(), role.as_str().into(), by.map(UserId::uuid).into()],
    );
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}

/// Takes the role from the user; `false` if they don't have it.
pub(crate) async fn revoke(tx: &impl ConnectionTrait, user: UserId, role: &Role) -> Result<bool, DbErr> {
    let statement = sql(
        "DELETE FROM user_roles WHERE user_id = $1 AND role = $2",
        [user.uuid().into(), role.as_str().into()],
    );
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}
