use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn get_shop(_inventory: &Inventory, _wire: pb::GetShopRequest) -> Result<pb::Shop, Error> {
    Err(Error::Unimplemented)
}
