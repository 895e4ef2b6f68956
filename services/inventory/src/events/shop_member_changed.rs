use events::outbox::{Outgoing, TooLarge};
use proto::inventory::v1::{ShopMemberChanged, ShopRole};
use values::{ShopId, UserId};

use crate::store::members::Role;

/// The version of a shop that was just registered.
const FIRST_VERSION: i64 = 1;

/// A user has registered a shop, and so owns it.
pub(crate) fn owner_registered(shop: ShopId, owner: UserId) -> Result<Outgoing, TooLarge> {
    changed(shop, FIRST_VERSION, owner, Some(Role::Owner))
}

/// With this version of the shop a user has become something else there, or has left.
pub(crate) fn changed(
    shop: ShopId,
    version: i64,
    user: UserId,
    role: Option<Role>,
) -> Result<Outgoing, TooLarge> {
    let event = ShopMemberChanged {
        shop_id: shop.to_string(),
        user_id: user.to_string(),
        role: role.map_or(ShopRole::Unspecified, ShopRole::from).into(),
    };
    Outgoing::new(shop, version, &event)
}
