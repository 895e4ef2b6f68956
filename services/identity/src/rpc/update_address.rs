use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use server::wire::parse_mask;
use values::{AddressId, Violations};

use super::{IdentityService, check_etag};
use crate::domain::{AddressChange, address};
use crate::error::{Error, Result};
use crate::events::published;
use crate::store::addresses;

const FIELDS: [&str; 6] = ["recipient", "lines", "city", "region", "postal_code", "country_code"];

/// Changes an address of the caller, and tells order, which corrects the orders that go there.
///
/// What the address says already changes nothing, whatever the `etag`: so the request may be repeated.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such address, or another user's · `ABORTED` changed since the
/// `etag` was read
pub(super) async fn update_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::UpdateAddressRequest,
) -> Result<pb::Address> {
    let (id, change) = parse(&wire)?;
    let tx = identity.db.begin().await?;
    let before = addresses::lock_for(&tx, caller.user_id, id).await?;
    let before = before.ok_or_else(|| Error::address_not_found(id))?;
    let changed = change.applied_to(&before.address);
    if changed == before.address {
        return Ok(before.into());
    }
    let etag_now = before.etag();
    check_etag(&wire.etag, &etag_now)?;
    let after = addresses::update(&tx, addresses::Stored { address: changed, ..before }).await?;
    let event = published::address_changed(caller.user_id, id, after.address.version)?;
    ::events::outbox::append(&tx, &[event]).await?;
    fault::around("identity.update_address.commit", tx.commit()).await?;
    identity.relay.wake();
    Ok(after.into())
}

fn parse(wire: &pb::UpdateAddressRequest) -> std::result::Result<(AddressId, AddressChange), Violations> {
    let mut violations = Violations::new();
    let id = violations.parse("address_id", &wire.address_id);
    let mask = parse_mask(&mut violations, "update_mask", wire.update_mask.as_ref(), &FIELDS);
    let mask = mask.unwrap_or_default();
    let is_masked = |field: &str| mask.contains(field);
    let change = AddressChange {
        recipient: is_masked("recipient")
            .then(|| address::recipient(&mut violations, &wire.recipient))
            .flatten(),
        lines: is_masked("lines").then(|| address::lines(&mut violations, &wire.lines)).flatten(),
        city: is_masked("city").then(|| address::city(&mut violations, &wire.city)).flatten(),
        region: is_masked("region").then(|| address::region(&mut violations, &wire.region)).flatten(),
        postal_code: is_masked("postal_code")
            .then(|| address::postal_code(&mut violations, &wire.postal_code))
            .flatten(),
        country: is_masked("country_code")
            .then(|| violations.parse("country_code", &wire.country_code))
            .flatten(),
    };
    violations.finish(id.map(|id| (id, change)))
}
