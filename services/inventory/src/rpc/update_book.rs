use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn update_book(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::UpdateBookRequest,
) -> Result<pb::Book, Error> {
    Err(Error::Unimplemented)
}
