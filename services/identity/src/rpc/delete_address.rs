use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::{AddressId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::{addresses, users};

/// Deletes an address of the caller. Orders that go there have their own copy.
///
/// One that isn't there, or isn't the caller's, stays away or stays, and nothing happens.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id
pub(super) async fn delete_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::DeleteAddressRequest,
) -> Result<pb::DeleteAddressResponse> {
    let address = parse(&wire)?;
    let tx = identity.db.begin().await?;
    // The user first, as where the default is chosen: deleting the default changes the user too.
    if !users::lock(&tx, caller.user_id).await? {
        return Err(Error::CallerGone);
    }
    addresses::delete_for(&tx, caller.user_id, address).await?;
    fault::around("identity.delete_address.commit", tx.commit()).await?;
    Ok(pb::DeleteAddressResponse {})
}

fn parse(wire: &pb::DeleteAddressRequest) -> std::result::Result<AddressId, Violations> {
    let mut violations = Violations::new();
    let address = violations.parse("address_id", &wire.address_id);
    violations.finish(address)
}
