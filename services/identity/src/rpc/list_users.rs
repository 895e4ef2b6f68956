use proto::identity::v1 as pb;
use values::page::{self, PageSize};
use values::{UserId, Violations};

use super::IdentityService;
use crate::domain::Role;
use crate::error::Result;
use crate::store::users;

struct Page {
    role: Option<Role>,
    size: PageSize,
    after: Option<UserId>,
}

/// Lists users, the oldest first; only those of a role if one is named.
///
/// # Errors
/// `INVALID_ARGUMENT` negative size, no name of a role, or a token of another list
pub(super) async fn list_users(
    identity: &IdentityService,
    wire: pb::ListUsersRequest,
) -> Result<pb::ListUsersResponse> {
    let page = parse(&wire)?;
    // One more than asked for tells whether there is a next page.
    let limit = page.size.get() + 1;
    let mut found = users::list(&identity.db, page.role.as_ref(), page.after, limit).await?;
    let is_last = u64::try_from(found.len()).is_ok_and(|count| count < limit);
    if !is_last {
        found.pop();
    }
    let next_page_token = match found.last() {
        Some(last) if !is_last => page::encode(&scope(&wire.role), &last.user.user_id()),
        _ => String::new(),
    };
    Ok(pb::ListUsersResponse { users: found.into_iter().map(pb::User::from).collect(), next_page_token })
}

fn parse(wire: &pb::ListUsersRequest) -> std::result::Result<Page, Violations> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(wire.page_size));
    let after = violations.take("page_token", page::decode(&scope(&wire.role), &wire.page_token));
    let role = match wire.role.as_str() {
        "" => Some(None),
        role => violations.parse("role", role).map(Some),
    };
    violations.finish((|| Some(Page { role: role?, size: size?, after: after? }))())
}

fn scope(role: &str) -> String {
    format!("ListUsers {role}")
}
