use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn list_my_shops(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::ListMyShopsRequest,
) -> Result<pb::ListMyShopsResponse, Error> {
    Err(Error::Unimplemented)
}
