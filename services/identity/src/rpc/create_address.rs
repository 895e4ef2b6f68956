use auth::Customer;
use proto::identity::v1 as pb;

use super::IdentityService;
use crate::domain::NewAddress;
use crate::error::{Error, Result};
use crate::store::addresses;

/// Stores a delivery address of the caller.
///
/// Repeating a `request_id` returns the address that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn create_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::CreateAddressRequest,
) -> Result<pb::Address> {
    let new = NewAddress::parse(&wire)?;
    if let Some(address) = addresses::insert(&identity.db, caller.user_id, &new, identity.clock.now()).await?
    {
        return Ok(address.into());
    }
    let earlier = addresses::find_by_request(&identity.db, caller.user_id, &new.request_id).await?;
    match earlier {
        Some(earlier) if earlier.was_made_by(&new) => Ok(earlier.into()),
        _ => Err(Error::RequestIdReused),
    }
}
