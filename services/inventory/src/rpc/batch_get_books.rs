use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn batch_get_books(
    _inventory: &Inventory,
    _wire: pb::BatchGetBooksRequest,
) -> Result<pb::BatchGetBooksResponse, Error> {
    Err(Error::Unimplemented)
}
