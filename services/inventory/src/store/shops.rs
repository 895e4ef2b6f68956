use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use values::{Fingerprint, LocationId, RequestId, ShopId, UserId};

use super::{
    members::{Role, member},
    stored,
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
    let Some(shop) = found else { return Ok(None) };
    let locations = location::Entity::find()
        .filter(location::Column::ShopId.eq(shop.id))
        .order_by_asc(location::Column::Id)
        .all(db)
        .await?;
    Ok(Some(Shop { shop, locations }))
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
