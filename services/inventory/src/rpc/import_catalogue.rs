use auth::Customer;
use proto::inventory::v1 as pb;
use tonic::Streaming;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn import_catalogue(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: Streaming<pb::ImportCatalogueRequest>,
) -> Result<pb::ImportCatalogueResponse, Error> {
    Err(Error::Unimplemented)
}
