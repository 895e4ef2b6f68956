use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn add_shop_member(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::AddShopMemberRequest,
) -> Result<pb::ShopMember, Error> {
    Err(Error::Unimplemented)
}
