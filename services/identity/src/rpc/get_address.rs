use auth::Customer;
use proto::identity::v1 as pb;
use values::{AddressId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::addresses;

/// Reads an address of the caller.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such address, or another user's
pub(super) async fn get_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::GetAddressRequest,
) -> Result<pb::Address> {
    let address = parse(&wire)?;
    let found = addresses::find_for(&identity.db, caller.user_id, address).await?;
    found.map(pb::Address::from).ok_or_else(|| Error::address_not_found(address))
}

fn parse(wire: &pb::GetAddressRequest) -> std::result::Result<AddressId, Violations> {
    let mut violations = Violations::new();
    let address = violations.parse("address_id", &wire.address_id);
    violations.finish(address)
}
