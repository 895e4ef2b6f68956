use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectionTrait, sea_query::OnConflict};
use values::{EmailAddress, Fingerprint, UserId};

use crate::domain::NewUser;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub email_canonical: String,
    pub display_name: String,
    pub password_hash: String,
    pub request_id: String,
    pub request_fingerprint: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

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

/// The user with that id, if the caller may see them: if it is the caller.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    caller: UserId,
    user: UserId,
) -> Result<Option<Model>, DbErr> {
    if caller != user {
        return Ok(None);
    }
    Entity::find_by_id(user.uuid()).one(db).await
}

/// Who registered with that address: for signing in and registering only, as nobody is known to be calling yet.
pub(crate) async fn find_by_email(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::EmailCanonical.eq(email.canonical())).one(db).await
}

/// Stores a user; `None` if the e-mail address is taken.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    new: &NewUser,
    password_hash: String,
    now: DateTime<Utc>,
) -> Result<Option<Model>, DbErr> {
    let user = Model {
        id: UserId::new().uuid(),
        email: new.email.as_str().to_owned(),
        email_canonical: new.email.canonical(),
        display_name: new.display_name.clone(),
        password_hash,
        request_id: new.request_id.as_str().to_owned(),
        request_fingerprint: new.fingerprint().as_bytes().to_vec(),
        created_at: now,
    };
    let inserted = Entity::insert(ActiveModel {
        id: Set(user.id),
        email: Set(user.email.clone()),
        email_canonical: Set(user.email_canonical.clone()),
        display_name: Set(user.display_name.clone()),
        password_hash: Set(user.password_hash.clone()),
        request_id: Set(user.request_id.clone()),
        request_fingerprint: Set(user.request_fingerprint.clone()),
        created_at: Set(user.created_at),
    })
    .on_conflict(OnConflict::column(Column::EmailCanonical).do_nothing().to_owned())
    .exec_without_returning(tx)
    .await?;
    Ok((inserted == 1).then_some(user))
}
