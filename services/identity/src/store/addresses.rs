use std::fmt;

use chrono::{DateTime, Datelike as _, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    ConnectionTrait, FromQueryResult, QuerySelect as _,
};
use serde::{Deserialize, Serialize};
use server::database::sql;
use values::{AddressId, Fingerprint, RequestId, UserId};

use crate::domain::{AddressChange, NewAddress};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "addresses")]
pub(crate) struct Model {
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
    pub version: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

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

/// An address, and whether it is the user's default.
#[derive(FromQueryResult, Clone, Debug)]
pub(crate) struct Stored {
    #[sea_orm(nested)]
    pub(crate) address: Model,
    pub(crate) is_default: bool,
}

impl Stored {
    /// Changes with whatever a caller can read of the address.
    pub(crate) fn etag(&self) -> String {
        Fingerprint::of(&(self.address.id, self.address.version, self.is_default)).etag()
    }
}

impl AddressChange {
    /// The address as it is to be.
    pub(crate) fn applied_to(self, address: &Model) -> Model {
        let address = address.clone();
        Model {
            recipient: self.recipient.unwrap_or(address.recipient),
            lines: self.lines.unwrap_or(address.lines),
            city: self.city.unwrap_or(address.city),
            region: self.region.unwrap_or(address.region),
            postal_code: self.postal_code.unwrap_or(address.postal_code),
            country_code: self.country.map_or(address.country_code, |country| country.to_string()),
            ..address
        }
    }
}

fn with_default(addresses: Select<Entity>) -> Select<Entity> {
    let is_default = "addresses.id = COALESCE(
        (SELECT default_address_id FROM users WHERE users.id = addresses.user_id),
        (SELECT id FROM addresses AS oldest WHERE oldest.user_id = addresses.user_id ORDER BY created_at, id LIMIT 1)
    )";
    addresses.expr_as(Expr::cust(is_default), "is_default")
}

/// The caller's address with that id.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    caller: UserId,
    address: AddressId,
) -> Result<Option<Stored>, DbErr> {
    let found = Entity::find_by_id(address.uuid()).filter(Column::UserId.eq(caller.uuid()));
    with_default(found).into_model().one(db).await
}

/// As `find_for`, locked against other changes.
pub(crate) async fn lock_for(
    tx: &impl ConnectionTrait,
    caller: UserId,
    address: AddressId,
) -> Result<Option<Stored>, DbErr> {
    let statement = sql(
        "SELECT id FROM addresses WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE",
        [address.uuid().into(), caller.uuid().into()],
    );
    // A second statement, which sees what the first one had to wait for.
    if tx.query_one_raw(statement).await?.is_none() { Ok(None) } else { find_for(tx, caller, address).await }
}

/// The address that a request of the caller made.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Stored>, DbErr> {
    let found = Entity::find()
        .filter(Column::UserId.eq(caller.uuid()))
        .filter(Column::RequestId.eq(request_id.as_str()));
    with_default(found).into_model().one(db).await
}

/// At most `limit` of the caller's addresses, the oldest first, those after the cursor.
pub(crate) async fn list_for(
    db: &impl ConnectionTrait,
    caller: UserId,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Vec<Stored>, DbErr> {
    let own = with_default(Entity::find().filter(Column::UserId.eq(caller.uuid())));
    let mut page = own.cursor_by((Column::CreatedAt, Column::Id)).into_model::<Stored>();
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
) -> Result<Option<AddressId>, DbErr> {
    let id = AddressId::new();
    let inserted = Entity::insert(ActiveModel {
        id: Set(id.uuid()),
        user_id: Set(caller.uuid()),
        recipient: Set(new.recipient.clone()),
        lines: Set(new.lines.clone()),
        city: Set(new.city.clone()),
        region: Set(new.region.clone()),
        postal_code: Set(new.postal_code.clone()),
        country_code: Set(new.country.to_string()),
        request_id: Set(new.request_id.as_str().to_owned()),
        request_fingerprint: Set(new.fingerprint().as_bytes().to_vec()),
        created_at: Set(now),
        version: NotSet,
    })
    .on_conflict(OnConflict::columns([Column::UserId, Column::RequestId]).do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok((inserted == 1).then_some(id))
}

/// Writes what a locked address says now, as its next version.
pub(crate) async fn update(tx: &impl ConnectionTrait, stored: Stored) -> Result<Stored, DbErr> {
    let Stored { address, is_default } = stored;
    let changed = ActiveModel {
        id: Unchanged(address.id),
        recipient: Set(address.recipient),
        lines: Set(address.lines),
        city: Set(address.city),
        region: Set(address.region),
        postal_code: Set(address.postal_code),
        country_code: Set(address.country_code),
        version: Set(address.version + 1),
        ..Default::default()
    };
    Ok(Stored { address: changed.update(tx).await?, is_default })
}

/// Deletes an address of the caller, if it is there. The caller is locked.
pub(crate) async fn delete_for(
    tx: &impl ConnectionTrait,
    caller: UserId,
    address: AddressId,
) -> Result<(), DbErr> {
    let own = Entity::delete_by_id(address.uuid()).filter(Column::UserId.eq(caller.uuid()));
    own.exec(tx).await.map(drop)
}

/// Makes an address of the caller the default one, if it is there. The caller is locked.
pub(crate) async fn set_default(
    tx: &impl ConnectionTrait,
    caller: UserId,
    address: AddressId,
) -> Result<(), DbErr> {
    let statement = sql(
        "UPDATE users SET default_address_id = addresses.id FROM addresses
         WHERE users.id = $1 AND addresses.user_id = users.id AND addresses.id = $2",
        [caller.uuid().into(), address.uuid().into()],
    );
    tx.execute_raw(statement).await.map(drop)
}
