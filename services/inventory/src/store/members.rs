use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use values::{ShopId, UserId};

use super::{shops::shop, stored};

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
        let role: Role = stored(found.role.parse())?;
        return Ok(if role.does(work) { Access::Granted } else { Access::Denied });
    }
    let known = shop::Entity::find_by_id(shop.uuid()).one(db).await?.is_some();
    Ok(if known { Access::Denied } else { Access::NoShop })
}
