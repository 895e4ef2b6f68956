use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn remove_shop_member(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::RemoveShopMemberRequest,
) -> Result<pb::RemoveShopMemberResponse, Error> {
    Err(Error::Unimplemented)
}
