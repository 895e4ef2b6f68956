use std::fmt;

use auth::{Access, Customer, Permission};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, FromQueryResult, QuerySelect as _, SelectModel, Selector, SqlErr,
};
use server::database::sql;
use values::{EmailAddress, Fingerprint, UserId};

use crate::domain::{NewUser, ProfileChange, Role};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub email_canonical: String,
    pub display_name: String,
    pub password_hash: String,
    pub request_id: String,
    pub request_fingerprint: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub access_version: i64,
    pub version: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    pub(crate) const fn user_id(&self) -> UserId {
        UserId::from_uuid(self.id)
    }

    /// Whether this user is what the request asked for, as far as can be told without the password.
    pub(crate) fn was_made_by(&self, request: &NewUser) -> bool {
        self.request_id == request.request_id.as_str()
            && Fingerprint::try_from(self.request_fingerprint.as_slice()) == Ok(request.fingerprint())
    }
}

/// A user is personal data but for the id, and a secret in part.
impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("id", &self.user_id()).finish_non_exhaustive()
    }
}

/// A user with the roles that they have, in alphabetical order.
#[derive(FromQueryResult, Clone, Debug)]
pub(crate) struct UserWithRoles {
    #[sea_orm(nested)]
    pub(crate) user: Model,
    pub(crate) roles: Vec<String>,
}

impl UserWithRoles {
    /// Changes with whatever a caller can read of the user; roles count with the access version.
    pub(crate) fn etag(&self) -> String {
        let Model { id, version, access_version, .. } = self.user;
        Fingerprint::of(&(id, version, access_version)).etag()
    }
}

/// A user with the roles that they have and what these allow, all at one moment: a change that commits later raises the
/// access version above the one that is read here, so that no token tells of more than its version stands for.
#[derive(FromQueryResult, Clone, Debug)]
pub(crate) struct UserWithAccess {
    #[sea_orm(nested)]
    pub(crate) user: Model,
    pub(crate) roles: Vec<String>,
    permissions: Vec<String>,
}

impl UserWithAccess {
    /// What a token tells of it. What a newer release allows means nothing here: its own replicas issue tokens that tell.
    pub(crate) fn access(&self) -> Access {
        let permissions = self.permissions.iter().filter_map(|name| name.parse().ok()).collect();
        Access { version: self.user.access_version, permissions }
    }
}

/// How a user is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    ById(UserId),
    ByEmail(EmailAddress),
}

/// The user of that name, if the caller may see them: if it is the caller, or the caller may read any user.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    caller: &Customer,
    named: &Named,
) -> Result<Option<UserWithRoles>, DbErr> {
    let is_named = match named {
        Named::ById(user) => Column::Id.eq(user.uuid()),
        Named::ByEmail(email) => Column::EmailCanonical.eq(email.canonical()),
    };
    let found = Entity::find().filter(is_named);
    let may_read_any = caller.may(Permission::USERS_READ);
    let visible = if may_read_any { found } else { found.filter(Column::Id.eq(caller.user_id.uuid())) };
    with_roles(visible).one(db).await
}

/// A user whose roles are being changed, locked against other changes; foreign keys don't wait for it. For whoever was
/// found to be allowed to change them. To be called after `roles::lock`.
pub(crate) async fn lock(tx: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let statement = sql("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", [user.uuid().into()]);
    Ok(tx.query_one_raw(statement).await?.is_some())
}

/// The user of that id: for the caller themselves, and for services that may ask about anybody.
pub(crate) async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<Option<UserWithRoles>, DbErr> {
    with_roles(Entity::find_by_id(user.uuid())).one(db).await
}

/// As `lock`, and reads them.
pub(crate) async fn lock_and_read(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<UserWithRoles>, DbErr> {
    if lock(tx, user).await? { find(tx, user).await } else { Ok(None) }
}

/// The user as they may be told to other services.
pub(crate) async fn find_with_access(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<UserWithAccess>, DbErr> {
    let statement = sql(
        "SELECT users.*, ARRAY(SELECT role FROM user_roles WHERE user_id = users.id ORDER BY role) AS roles,
                ARRAY(SELECT DISTINCT permission FROM user_roles JOIN role_permissions USING (role)
                      WHERE user_id = users.id) AS permissions
         FROM users WHERE id = $1",
        [user.uuid().into()],
    );
    UserWithAccess::find_by_statement(statement).one(db).await
}

/// Locks a user who signs in against changes of access and password until the session is there; `false` if the password
/// is another one by now. Others may sign in meanwhile.
pub(crate) async fn lock_with_password(
    tx: &impl ConnectionTrait,
    user: UserId,
    password_hash: &str,
) -> Result<bool, DbErr> {
    let statement = sql(
        "SELECT id FROM users WHERE id = $1 AND password_hash = $2 FOR SHARE",
        [user.uuid().into(), password_hash.into()],
    );
    Ok(tx.query_one_raw(statement).await?.is_some())
}

/// Whether the caller's token is good by what is stored: the user is there, has no other access by now, and the session
/// has not ended. A session that is not known is one of the release that didn't note them.
pub(crate) async fn is_token_good(db: &impl ConnectionTrait, caller: &Customer) -> Result<bool, DbErr> {
    let statement = sql(
        "SELECT 1 FROM users WHERE id = $1 AND access_version <= $2
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $3 AND ended_at IS NOT NULL)",
        [caller.user_id.uuid().into(), caller.version().into(), caller.session_id.uuid().into()],
    );
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// Gives a locked user another password.
pub(crate) async fn set_password(
    tx: &impl ConnectionTrait,
    user: UserId,
    password_hash: &str,
) -> Result<(), DbErr> {
    let statement =
        sql("UPDATE users SET password_hash = $2 WHERE id = $1", [user.uuid().into(), password_hash.into()]);
    tx.execute_raw(statement).await.map(drop)
}

/// Deletes a locked user, and all that belongs to them.
pub(crate) async fn delete(tx: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    Entity::delete_by_id(user.uuid()).exec(tx).await.map(drop)
}

/// At most `limit` users, the oldest first, those after the last one seen; of a role if one is named.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    role: Option<&Role>,
    after: Option<UserId>,
    limit: u64,
) -> Result<Vec<UserWithRoles>, DbErr> {
    let after = after.map_or(Uuid::nil(), UserId::uuid);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let users = match role {
        None => sql(
            "SELECT users.*, ARRAY(SELECT role FROM user_roles WHERE user_id = users.id ORDER BY role) AS roles
             FROM users WHERE id > $1 ORDER BY id LIMIT $2",
            [after.into(), limit.into()],
        ),
        Some(role) => sql(
            "SELECT users.*, ARRAY(SELECT role FROM user_roles WHERE user_id = users.id ORDER BY role) AS roles
             FROM (SELECT user_id FROM user_roles WHERE role = $3 AND user_id > $1 ORDER BY user_id LIMIT $2)
                  AS holder
             JOIN users ON users.id = holder.user_id
             ORDER BY users.id",
            [after.into(), limit.into(), role.as_str().into()],
        ),
    };
    UserWithRoles::find_by_statement(users).all(db).await
}

/// Changes a locked user's profile; answers with its version, or `None` if somebody else has the e-mail address. The
/// transaction is at its end then.
pub(crate) async fn update_profile(
    tx: &impl ConnectionTrait,
    user: UserId,
    change: &ProfileChange,
) -> Result<Option<i64>, DbErr> {
    let email = change.email.as_ref();
    let statement = sql(
        "UPDATE users SET display_name = COALESCE($2, display_name), email = COALESCE($3, email),
                email_canonical = COALESCE($4, email_canonical), version = version + 1
         WHERE id = $1 RETURNING version",
        [
            user.uuid().into(),
            change.display_name.clone().into(),
            email.map(|email| email.as_str().to_owned()).into(),
            email.map(EmailAddress::canonical).into(),
        ],
    );
    match tx.query_one_raw(statement).await {
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(None),
        Err(error) => Err(error),
        Ok(row) => {
            row.ok_or_else(|| DbErr::RecordNotFound("a locked user".to_owned()))?.try_get("", "version")
        }
    }
}

/// Makes tokens from before outdated; answers with the least version that is not.
pub(crate) async fn raise_access_version(tx: &impl ConnectionTrait, user: UserId) -> Result<i64, DbErr> {
    let statement = sql(
        "UPDATE users SET access_version = access_version + 1 WHERE id = $1 RETURNING access_version",
        [user.uuid().into()],
    );
    let row = tx.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("a locked user".to_owned()))?.try_get("", "access_version")
}

/// The user that the same transaction has locked or made.
pub(crate) async fn read_back(tx: &impl ConnectionTrait, user: UserId) -> Result<UserWithRoles, DbErr> {
    let found = with_roles(Entity::find_by_id(user.uuid())).one(tx).await?;
    found.ok_or_else(|| DbErr::RecordNotFound("a locked user".to_owned()))
}

fn with_roles(users: Select<Entity>) -> Selector<SelectModel<UserWithRoles>> {
    let roles = "ARRAY(SELECT role FROM user_roles WHERE user_id = users.id ORDER BY role)";
    users.expr_as(Expr::cust(roles), "roles").into_model()
}

/// Who registered with that address: for signing in and registering only, as nobody is known to be calling yet.
pub(crate) async fn find_by_email(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
) -> Result<Option<UserWithRoles>, DbErr> {
    with_roles(Entity::find().filter(Column::EmailCanonical.eq(email.canonical()))).one(db).await
}

/// Stores a user; `None` if the e-mail address is taken. The database makes them a customer.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    new: &NewUser,
    password_hash: String,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, DbErr> {
    let id = UserId::new();
    let inserted = Entity::insert(ActiveModel {
        id: Set(id.uuid()),
        email: Set(new.email.as_str().to_owned()),
        email_canonical: Set(new.email.canonical()),
        display_name: Set(new.display_name.clone()),
        password_hash: Set(password_hash),
        request_id: Set(new.request_id.as_str().to_owned()),
        request_fingerprint: Set(new.fingerprint().as_bytes().to_vec()),
        created_at: Set(now),
        access_version: NotSet,
        version: NotSet,
    })
    .on_conflict(OnConflict::column(Column::EmailCanonical).do_nothing().to_owned())
    .exec_without_returning(tx)
    .await?;
    Ok((inserted == 1).then_some(id))
}
