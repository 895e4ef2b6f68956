use chrono::DateTime;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;
use values::{ShopId, UserId, page::PageSize};

use super::{
    shops::{self, Shop, shop},
    sql, stored,
};

pub(crate) mod member {
    //! Who works in a shop.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shop_members")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub shop_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        pub role: String,
        pub joined_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a user is in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Does everything.
    Owner,
    /// Sees to books and stock.
    Staff,
}

impl Role {
    /// As it is stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Staff => "STAFF",
        }
    }

    /// Whether it comes with this work.
    const fn does(self, work: Work) -> bool {
        match (self, work) {
            (Self::Owner, _) | (Self::Staff, Work::Books) => true,
            (Self::Staff, Work::Owner) => false,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "OWNER" => Ok(Self::Owner),
            "STAFF" => Ok(Self::Staff),
            _ => Err("is no role"),
        }
    }
}

impl member::Model {
    /// What they are there.
    pub(crate) fn role(&self) -> Result<Role, DbErr> {
        stored(self.role.parse())
    }
}

/// What there is to do in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Books and stock: for all who work there.
    Books,
    /// The shop itself, its people and rooms: for its owners.
    Owner,
}

/// Whether a user may do something in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// They may.
    Granted,
    /// They may not.
    Denied,
    /// There is no such shop.
    NoShop,
}

/// Whether `caller` may do this `work` in a shop.
pub(crate) async fn may(
    db: &impl ConnectionTrait,
    caller: UserId,
    shop: ShopId,
    work: Work,
) -> Result<Access, DbErr> {
    if let Some(found) = member::Entity::find_by_id((shop.uuid(), caller.uuid())).one(db).await? {
        return Ok(if found.role()?.does(work) { Access::Granted } else { Access::Denied });
    }
    let known = shop::Entity::find_by_id(shop.uuid()).one(db).await?.is_some();
    Ok(if known { Access::Denied } else { Access::NoShop })
}

/// Somebody who works in a shop.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    shop: ShopId,
    user: UserId,
) -> Result<Option<member::Model>, DbErr> {
    member::Entity::find_by_id((shop.uuid(), user.uuid())).one(db).await
}

/// Lets `user` work in a locked shop, or be something else there.
pub(crate) async fn put(
    tx: &impl ConnectionTrait,
    shop: ShopId,
    user: UserId,
    role: Role,
) -> Result<(), DbErr> {
    let put = sql(
        "INSERT INTO shop_members (shop_id, user_id, role) VALUES ($1, $2, $3)
         ON CONFLICT (shop_id, user_id) DO UPDATE SET role = excluded.role",
        [shop.uuid().into(), user.uuid().into(), role.name().into()],
    );
    tx.execute_raw(put).await.map(drop)
}

/// Ends a user's work in a locked shop.
pub(crate) async fn remove(tx: &impl ConnectionTrait, shop: ShopId, user: UserId) -> Result<(), DbErr> {
    member::Entity::delete_by_id((shop.uuid(), user.uuid())).exec(tx).await.map(drop)
}

/// Whether a locked shop still has an owner.
pub(crate) async fn has_owner(tx: &impl ConnectionTrait, shop: ShopId) -> Result<bool, DbErr> {
    let owner = member::Entity::find()
        .filter(member::Column::ShopId.eq(shop.uuid()))
        .filter(member::Column::Role.eq(Role::Owner.name()));
    Ok(owner.one(tx).await?.is_some())
}

/// Where a page of members ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Microseconds since 1970, as exact as Postgres is.
    joined_at: i64,
    user: Uuid,
}

/// A page of who works in a shop after `cursor`, whoever came first first, and where the next page begins.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    shop: ShopId,
    cursor: Option<Cursor>,
    size: PageSize,
) -> Result<(Vec<member::Model>, Option<Cursor>), DbErr> {
    let after = cursor.unwrap_or(Cursor { joined_at: 0, user: Uuid::nil() });
    // Beyond what Postgres can tell is only what somebody made up.
    let joined_at =
        DateTime::from_timestamp_micros(after.joined_at.clamp(0, i64::from(u32::MAX) * 1_000_000));
    let page = format!(
        "SELECT shop_id, user_id, role, joined_at
         FROM shop_members
         WHERE shop_id = $1 AND (joined_at, user_id) > ($2, $3)
         ORDER BY joined_at, user_id
         LIMIT {}",
        size.get() + 1
    );
    let values = [shop.uuid().into(), joined_at.into(), after.user.into()];
    let mut found = member::Model::find_by_statement(sql(&page, values)).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = found.len() > full;
    found.truncate(full);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| Cursor { joined_at: last.joined_at.timestamp_micros(), user: last.user_id });
    Ok((found, next))
}

#[derive(FromQueryResult)]
struct Place {
    shop_id: Uuid,
    role: String,
}

/// A page of the shops after `cursor` that a user works in, the oldest first, and where the next page begins.
pub(crate) async fn shops_of(
    db: &impl ConnectionTrait,
    user: UserId,
    cursor: Option<Uuid>,
    size: PageSize,
) -> Result<(Vec<(Shop, Role)>, Option<Uuid>), DbErr> {
    // Ids rise with time.
    let page = format!(
        "SELECT shop_id, role FROM shop_members WHERE user_id = $1 AND shop_id > $2 ORDER BY shop_id LIMIT {}",
        size.get() + 1
    );
    let values = [user.uuid().into(), cursor.unwrap_or(Uuid::nil()).into()];
    let mut places = Place::find_by_statement(sql(&page, values)).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = places.len() > full;
    places.truncate(full);
    let next = places.last().filter(|_| more).map(|last| last.shop_id);

    let found = shops::find_all(db, places.iter().map(|place| place.shop_id).collect()).await?;
    let mut by_id: HashMap<Uuid, Shop> = found.into_iter().map(|shop| (shop.shop.id, shop)).collect();
    let mine = places.iter().filter_map(|place| {
        let shop = by_id.remove(&place.shop_id)?;
        Some(stored(place.role.parse()).map(|role| (shop, role)))
    });
    Ok((mine.collect::<Result<_, _>>()?, next))
}
