use auth::Customer;
use proto::identity::v1 as pb;
use values::page::{self, PageSize, PageTokenError};
use values::{UserId, Violations};

use super::IdentityService;
use crate::error::Result;
use crate::store::addresses::{self, Cursor};

struct Page {
    size: PageSize,
    after: Option<Cursor>,
}

/// Lists the caller's addresses, the oldest first.
///
/// # Errors
/// `INVALID_ARGUMENT` negative size, or a token of another list
pub(super) async fn list_addresses(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::ListAddressesRequest,
) -> Result<pb::ListAddressesResponse> {
    let page = parse(caller.user_id, &wire)?;
    // One more than asked for tells whether there is a next page.
    let limit = page.size.get() + 1;
    let mut found = addresses::list_for(&identity.db, caller.user_id, page.after, limit).await?;
    let is_last = u64::try_from(found.len()).is_ok_and(|count| count < limit);
    if !is_last {
        found.pop();
    }
    let next_page_token = match found.last() {
        Some(address) if !is_last => page::encode(&scope(caller.user_id), &address.address.cursor()),
        _ => String::new(),
    };
    Ok(pb::ListAddressesResponse {
        addresses: found.into_iter().map(pb::Address::from).collect(),
        next_page_token,
    })
}

fn parse(caller: UserId, wire: &pb::ListAddressesRequest) -> std::result::Result<Page, Violations> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(wire.page_size));
    let after =
        page::decode(&scope(caller), &wire.page_token).and_then(|after: Option<Cursor>| match after {
            Some(cursor) if !cursor.is_plausible() => Err(PageTokenError::Malformed),
            after => Ok(after),
        });
    let after = violations.take("page_token", after);
    violations.finish(size.zip(after).map(|(size, after)| Page { size, after }))
}

fn scope(caller: UserId) -> String {
    format!("ListAddresses {caller}")
}
