use std::fmt;

use chrono::{DateTime, Datelike as _, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectionTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use values::{AddressId, Fingerprint, RequestId, UserId};

use crate::domain::NewAddress;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "addresses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub recipient: String,
    pub lines: Vec<String>,
    pub city: String,
    pub region: String,
    pub postal_code: String,
    pub country_code: String,
    pub request_id: String,
    pub request_fingerprint: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a list of addresses goes on: after this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    created_at: DateTime<Utc>,
    id: AddressId,
}

impl Cursor {
    /// Whether the database can compare with it: a token may be made up.
    pub(crate) fn is_plausible(&self) -> bool {
        (2000..10_000).contains(&self.created_at.year())
    }
}

impl Model {
    pub(crate) const fn address_id(&self) -> AddressId {
        AddressId::from_uuid(self.id)
    }

    pub(crate) const fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.address_id() }
    }

    /// Whether this address is what the request asked for.
    pub(crate) fn was_made_by(&self, request: &NewAddress) -> bool {
        Fingerprint::try_from(self.request_fingerprint.as_slice()) == Ok(request.fingerprint())
    }
}

/// An address is personal data but for the id.
impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Address").field("id", &self.address_id()).finish_non_exhaustive()
    }
}

/// The caller's address with that id.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    caller: UserId,
    address: AddressId,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(address.uuid()).filter(Column::UserId.eq(caller.uuid())).one(db).await
}

/// The address that a request of the caller made.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(caller.uuid()))
        .filter(Column::RequestId.eq(request_id.as_str()))
        .one(db)
        .await
}

/// At most `limit` of the caller's addresses, the oldest first, those after the cursor.
pub(crate) async fn list_for(
    db: &impl ConnectionTrait,
    caller: UserId,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut page =
        Entity::find().filter(Column::UserId.eq(caller.uuid())).cursor_by((Column::CreatedAt, Column::Id));
    if let Some(Cursor { created_at, id }) = after {
        page.after((created_at, id.uuid()));
    }
    page.first(limit).all(db).await
}

/// Stores an address of the caller; `None` if the request made one before.
pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    caller: UserId,
    new: &NewAddress,
    now: DateTime<Utc>,
) -> Result<Option<Model>, DbErr> {
    let address = Model {
        id: AddressId::new().uuid(),
        user_id: caller.uuid(),
        recipient: new.recipient.clone(),
        lines: new.lines.clone(),
        city: new.city.clone(),
        region: new.region.clone(),
        postal_code: new.postal_code.clone(),
        country_code: new.country.to_string(),
        request_id: new.request_id.as_str().to_owned(),
        request_fingerprint: new.fingerprint().as_bytes().to_vec(),
        created_at: now,
    };
    let row = address.clone();
    let inserted = Entity::insert(ActiveModel {
        id: Set(row.id),
        user_id: Set(row.user_id),
        recipient: Set(row.recipient),
        lines: Set(row.lines),
        city: Set(row.city),
        region: Set(row.region),
        postal_code: Set(row.postal_code),
        country_code: Set(row.country_code),
        request_id: Set(row.request_id),
        request_fingerprint: Set(row.request_fingerprint),
        created_at: Set(row.created_at),
    })
    .on_conflict(OnConflict::columns([Column::UserId, Column::RequestId]).do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok((inserted == 1).then_some(address))
}
