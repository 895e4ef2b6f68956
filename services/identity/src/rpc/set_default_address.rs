use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::{AddressId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::{addresses, users};

/// Makes an address of the caller the one that is used where none is named.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such address, or another user's
pub(super) async fn set_default_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::SetDefaultAddressRequest,
) -> Result<pb::Address> {
    let address = parse(&wire)?;
    let tx = identity.db.begin().await?;
    if !users::lock(&tx, caller.user_id).await? {
        return Err(Error::CallerGone);
    }
    addresses::set_default(&tx, caller.user_id, address).await?;
    let chosen = addresses::find_for(&tx, caller.user_id, address).await?;
    let chosen = chosen.ok_or_else(|| Error::address_not_found(address))?;
    fault::around("identity.set_default_address.commit", tx.commit()).await?;
    Ok(chosen.into())
}

fn parse(wire: &pb::SetDefaultAddressRequest) -> std::result::Result<AddressId, Violations> {
    let mut violations = Violations::new();
    let address = violations.parse("address_id", &wire.address_id);
    violations.finish(address)
}
