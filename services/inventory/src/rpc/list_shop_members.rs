use auth::Customer;
use proto::inventory::v1 as pb;
use values::{
    ShopId, Violations,
    page::{self, PageSize},
};

use super::{Inventory, may_see_to_people};
use crate::{
    error::Error,
    store::{
        self,
        members::{Cursor, Work},
    },
};

struct ListShopMembers {
    shop: ShopId,
    size: PageSize,
    cursor: Option<Cursor>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListShopMembers {
    fn parse(wire: &pb::ListShopMembersRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = format!("ListShopMembers shop_id={}", wire.shop_id);
        let shop = violations.parse("shop_id", &wire.shop_id);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed = (|| Some(Self { shop: shop?, size: size?, cursor: cursor?, scope }))();
        violations.finish(parsed)
    }
}

/// Lists who works in a shop, for those who do or who have `catalogue.manage`.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list · `NOT_FOUND` shop · `PERMISSION_DENIED` the
/// caller doesn't work there
pub(super) async fn list_shop_members(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::ListShopMembersRequest,
) -> Result<pb::ListShopMembersResponse, Error> {
    let request = ListShopMembers::parse(&wire)?;
    may_see_to_people(&inventory.db, caller, request.shop, Work::Books).await?;
    let (members, next) =
        store::members::list(&inventory.db, request.shop, request.cursor, request.size).await?;
    Ok(pb::ListShopMembersResponse {
        members: members.into_iter().map(pb::ShopMember::try_from).collect::<Result<_, _>>()?,
        next_page_token: next.map(|cursor| page::encode(&request.scope, &cursor)).unwrap_or_default(),
    })
}
