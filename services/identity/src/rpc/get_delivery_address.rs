use proto::identity::v1 as pb;
use values::{AddressId, UserId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::addresses;

/// Reads an address of a user, for the service that the policy names.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such address, or another user's
pub(super) async fn get_delivery_address(
    identity: &IdentityService,
    wire: pb::GetDeliveryAddressRequest,
) -> Result<pb::Address> {
    let (user, address) = parse(&wire)?;
    let found = addresses::find_for(&identity.db, user, address).await?;
    found.map(pb::Address::from).ok_or_else(|| Error::address_not_found(address))
}

fn parse(wire: &pb::GetDeliveryAddressRequest) -> std::result::Result<(UserId, AddressId), Violations> {
    let mut violations = Violations::new();
    let user = violations.parse("user_id", &wire.user_id);
    let address = violations.parse("address_id", &wire.address_id);
    violations.finish(user.zip(address))
}
