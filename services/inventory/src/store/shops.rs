use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;
use values::{Fingerprint, LocationId, RequestId, ShopId, UserId, page::PageSize};

use super::{
    members::{Role, member},
    sql, stored,
};

pub(crate) mod shop {
    //! Who sells.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shops")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub city: String,
        pub version: i64,
        pub registered_by: Uuid,
        pub request_id: String,
        pub request_fingerprint: Vec<u8>,
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod location {
    //! A room with stock.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "locations")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub shop_id: Uuid,
        pub name: String,
        pub opened_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A shop to open, with its first location.
#[derive(Clone, Debug)]
pub(crate) struct NewShop {
    pub(crate) id: ShopId,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) location: LocationId,
    pub(crate) location_name: String,
    pub(crate) owner: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) fingerprint: Fingerprint,
}

/// A shop with its locations, the first first.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) shop: shop::Model,
    pub(crate) locations: Vec<location::Model>,
}

impl Shop {
    /// Of the request that opened it.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, DbErr> {
        stored(Fingerprint::try_from(self.shop.request_fingerprint.as_slice()))
    }

    /// Changes with whatever readers see of it.
    pub(crate) fn etag(&self) -> String {
        let Self { shop, locations } = self;
        let rooms: Vec<_> = locations.iter().map(|location| (location.id, &location.name)).collect();
        Fingerprint::of(&(shop.id, &shop.name, &shop.city, rooms)).etag()
    }
}

/// Opens a shop. `false` if the owner's request has one already: then nothing was written.
///
/// Waits for another transaction that opens a shop for the same request.
pub(crate) async fn register(tx: &impl ConnectionTrait, new: &NewShop) -> Result<bool, DbErr> {
    let opened = shop::Entity::insert(shop::ActiveModel {
        id: Set(new.id.uuid()),
        name: Set(new.name.clone()),
        city: Set(new.city.clone()),
        registered_by: Set(new.owner.uuid()),
        request_id: Set(new.request_id.to_string()),
        request_fingerprint: Set(new.fingerprint.as_bytes().to_vec()),
        ..Default::default()
    })
    .on_conflict(
        OnConflict::columns([shop::Column::RegisteredBy, shop::Column::RequestId]).do_nothing().to_owned(),
    )
    .exec_without_returning(tx)
    .await?;
    if opened == 0 {
        return Ok(false);
    }
    member::Entity::insert(member::ActiveModel {
        shop_id: Set(new.id.uuid()),
        user_id: Set(new.owner.uuid()),
        role: Set(Role::Owner.name().to_owned()),
        ..Default::default()
    })
    .exec_without_returning(tx)
    .await?;
    location::Entity::insert(location::ActiveModel {
        id: Set(new.location.uuid()),
        shop_id: Set(new.id.uuid()),
        name: Set(new.location_name.clone()),
        ..Default::default()
    })
    .exec_without_returning(tx)
    .await?;
    Ok(true)
}

/// The shop that a request of this user opened.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Shop>, DbErr> {
    let found = shop::Entity::find()
        .filter(shop::Column::RegisteredBy.eq(caller.uuid()))
        .filter(shop::Column::RequestId.eq(request_id.as_str()))
        .one(db)
        .await?;
    with_locations(db, found.into_iter().collect()).await.map(|mut found| found.pop())
}

/// A shop.
pub(crate) async fn find(db: &impl ConnectionTrait, shop: ShopId) -> Result<Option<Shop>, DbErr> {
    let found = shop::Entity::find_by_id(shop.uuid()).one(db).await?;
    with_locations(db, found.into_iter().collect()).await.map(|mut found| found.pop())
}

/// Shops by their ids, in no particular order.
pub(super) async fn find_all(db: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<Shop>, DbErr> {
    let found = shop::Entity::find().filter(shop::Column::Id.is_in(ids)).all(db).await?;
    with_locations(db, found).await
}

async fn with_locations(db: &impl ConnectionTrait, shops: Vec<shop::Model>) -> Result<Vec<Shop>, DbErr> {
    if shops.is_empty() {
        return Ok(Vec::new());
    }
    let locations = location::Entity::find()
        .filter(location::Column::ShopId.is_in(shops.iter().map(|shop| shop.id)))
        .order_by_asc(location::Column::Id)
        .all(db)
        .await?;
    let mut by_shop: HashMap<Uuid, Vec<location::Model>> = HashMap::new();
    for location in locations {
        by_shop.entry(location.shop_id).or_default().push(location);
    }
    Ok(shops
        .into_iter()
        .map(|shop| Shop { locations: by_shop.remove(&shop.id).unwrap_or_default(), shop })
        .collect())
}

/// Lets nobody else change a shop or its people until the transaction ends. `false` if there is no such shop.
pub(crate) async fn lock(tx: &impl ConnectionTrait, shop: ShopId) -> Result<bool, DbErr> {
    let lock = sql("SELECT FROM shops WHERE id = $1 FOR NO KEY UPDATE", [shop.uuid().into()]);
    Ok(tx.query_one_raw(lock).await?.is_some())
}

/// Counts a change of a locked shop, and tells which it is.
pub(crate) async fn next_version(tx: &impl ConnectionTrait, shop: ShopId) -> Result<i64, DbErr> {
    let count =
        sql("UPDATE shops SET version = version + 1 WHERE id = $1 RETURNING version", [shop.uuid().into()]);
    let row = tx.query_one_raw(count).await?;
    row.ok_or_else(|| DbErr::RecordNotUpdated)?.try_get_by_index(0)
}

/// Gives a locked shop another name and city.
pub(crate) async fn update(
    tx: &impl ConnectionTrait,
    shop: ShopId,
    name: &str,
    city: &str,
) -> Result<(), DbErr> {
    let update = sql(
        "UPDATE shops SET name = $2, city = $3, version = version + 1 WHERE id = $1",
        [shop.uuid().into(), name.into(), city.into()],
    );
    tx.execute_raw(update).await.map(drop)
}

/// Where a page of shops ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    name: String,
    shop: Uuid,
}

#[derive(FromQueryResult)]
struct Place {
    id: Uuid,
    sort_name: String,
}

/// A page of the shops after `cursor`, by name, and where the next page begins; only those in `city`, if one is given.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    city: Option<&str>,
    cursor: Option<Cursor>,
    size: PageSize,
) -> Result<(Vec<Shop>, Option<Cursor>), DbErr> {
    // Sorts before everything: no name is empty.
    let after = cursor.unwrap_or(Cursor { name: String::new(), shop: Uuid::nil() });
    let chosen = if city.is_some() { "folded(city) = folded($3)" } else { "$3 = ''" };
    let page = format!(
        "SELECT id, folded(name) AS sort_name
         FROM shops
         WHERE {chosen} AND (folded(name), id) > ($1, $2)
         ORDER BY folded(name), id
         LIMIT {}",
        size.get() + 1
    );
    let values = [after.name.into(), after.shop.into(), city.unwrap_or_default().into()];
    let mut places = Place::find_by_statement(sql(&page, values)).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = places.len() > full;
    places.truncate(full);
    let next = places.last().filter(|_| more);
    let next = next.map(|last| Cursor { name: last.sort_name.clone(), shop: last.id });

    let found = find_all(db, places.iter().map(|place| place.id).collect()).await?;
    let mut by_id: HashMap<Uuid, Shop> = found.into_iter().map(|shop| (shop.shop.id, shop)).collect();
    Ok((places.iter().filter_map(|place| by_id.remove(&place.id)).collect(), next))
}

/// A location of a shop: the given one, or the first. `None` if the shop has no such location.
pub(crate) async fn location_of(
    db: &impl ConnectionTrait,
    shop: ShopId,
    location: Option<LocationId>,
) -> Result<Option<location::Model>, DbErr> {
    let mut find = location::Entity::find().filter(location::Column::ShopId.eq(shop.uuid()));
    if let Some(location) = location {
        find = find.filter(location::Column::Id.eq(location.uuid()));
    }
    find.order_by_asc(location::Column::Id).limit(1).one(db).await
}
