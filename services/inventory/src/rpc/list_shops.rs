use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn list_shops(
    _inventory: &Inventory,
    _wire: pb::ListShopsRequest,
) -> Result<pb::ListShopsResponse, Error> {
    Err(Error::Unimplemented)
}
