use sea_orm::{ConnectionTrait, DbErr};
use server::database::sql;
use values::UserId;

use crate::domain::Role;

/// What is worth remembering for whoever asks later how it came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    RoleGranted,
    RoleRevoked,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::RoleGranted => "ROLE_GRANTED",
            Self::RoleRevoked => "ROLE_REVOKED",
        }
    }
}

/// Notes who did it to whom; nobody in person is the configuration.
pub(crate) async fn append(
    tx: &impl ConnectionTrait,
    actor: Option<UserId>,
    action: Action,
    user: UserId,
    role: &Role,
) -> Result<(), DbErr> {
    let statement = sql(
        "INSERT INTO audit_log (actor, action, user_id, role) VALUES ($1, $2, $3, $4)",
        [actor.map(UserId::uuid).into(), action.name().into(), user.uuid().into(), role.as_str().into()],
    );
    tx.execute_raw(statement).await?;
    Ok(())
}
