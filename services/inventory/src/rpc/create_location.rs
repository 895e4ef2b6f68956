use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn create_location(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::CreateLocationRequest,
) -> Result<pb::Location, Error> {
    Err(Error::Unimplemented)
}
