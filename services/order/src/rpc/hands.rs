use auth::{Customer, Permission};
use sea_orm::{ConnectionTrait, DbErr};
use values::ShopId;

use crate::{domain::Actor, store::members};

/// In which of an order's shops a caller has a hand.
#[derive(Debug)]
pub(super) struct Hands {
    works_in: Vec<ShopId>,
    manages_all: bool,
}

impl Hands {
    pub(super) async fn of(
        db: &impl ConnectionTrait,
        caller: &Customer,
        shops: impl IntoIterator<Item = ShopId>,
    ) -> Result<Self, DbErr> {
        let works_in = members::shops_of(db, caller.user_id, shops).await?;
        Ok(Self { works_in, manages_all: caller.may(Permission::ORDERS_MANAGE) })
    }

    /// As whom the caller may act for this shop, if at all.
    pub(super) fn actor(&self, shop: ShopId) -> Option<Actor> {
        if self.works_in.contains(&shop) {
            Some(Actor::Shop)
        } else {
            self.manages_all.then_some(Actor::Staff)
        }
    }
}
