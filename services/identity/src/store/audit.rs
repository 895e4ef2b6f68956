use sea_orm::{ConnectionTrait, DbErr};
use server::database::sql;
use values::UserId;

use crate::domain::Role;

/// What is worth remembering for whoever asks later how it came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    RoleGranted,
    RoleRevoked,
    UserDeleted,
    PasswordChanged,
    RefreshTokenReused,
    SigningKeyRotated,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::RoleGranted => "ROLE_GRANTED",
            Self::RoleRevoked => "ROLE_REVOKED",
            Self::UserDeleted => "USER_DELETED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::SigningKeyRotated => "SIGNING_KEY_ROTATED",
        }
    }
}

/// Notes who did it, to whom and about which role if there is one; nobody in person is the configuration, or a stranger.
pub(crate) async fn append(
    tx: &impl ConnectionTrait,
    actor: Option<UserId>,
    action: Action,
    user: Option<UserId>,
    role: Option<&Role>,
) -> Result<(), DbErr> {
    let statement = sql(
        "INSERT INTO audit_log (actor, action, user_id, role) VALUES ($1, $2, $3, $4)",
        [
            actor.map(UserId::uuid).into(),
            action.name().into(),
            user.map(UserId::uuid).into(),
            role.map(|role| role.as_str().to_owned()).into(),
        ],
    );
    tx.execute_raw(statement).await?;
    Ok(())
}

/// Whether there was such a user.
pub(crate) async fn was_deleted(db: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let statement = sql(
        "SELECT 1 FROM audit_log WHERE user_id = $1 AND action = $2 LIMIT 1",
        [user.uuid().into(), Action::UserDeleted.name().into()],
    );
    Ok(db.query_one_raw(statement).await?.is_some())
}
