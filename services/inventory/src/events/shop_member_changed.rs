use events::outbox::{Outgoing, TooLarge};
use proto::inventory::v1::{ShopMemberChanged, ShopRole};
use values::{ShopId, UserId};

/// The version of a shop that was just registered.
const FIRST_VERSION: i64 = 1;

/// A user has registered a shop, and so owns it.
pub(crate) fn owner_registered(shop: ShopId, owner: UserId) -> Result<Outgoing, TooLarge> {
    let event = ShopMemberChanged {
        shop_id: shop.to_string(),
        user_id: owner.to_string(),
        role: ShopRole::Owner.into(),
    };
    Outgoing::new(shop, FIRST_VERSION, &event)
}
