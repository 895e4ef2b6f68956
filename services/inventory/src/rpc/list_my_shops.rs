use auth::Customer;
use proto::inventory::v1 as pb;
use uuid::Uuid;
use values::{
    Violations,
    page::{self, PageSize},
};

use super::Inventory;
use crate::{error::Error, store};

/// What page tokens of this list carry.
const SCOPE: &str = "ListMyShops";

fn parse(wire: &pb::ListMyShopsRequest) -> Result<(PageSize, Option<Uuid>), Violations> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(wire.page_size));
    let cursor = violations.take("page_token", page::decode(SCOPE, &wire.page_token));
    violations.finish(size.zip(cursor))
}

/// Lists the shops that the caller works in, the oldest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_my_shops(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::ListMyShopsRequest,
) -> Result<pb::ListMyShopsResponse, Error> {
    let (size, cursor) = parse(&wire)?;
    let (shops, next) = store::members::shops_of(&inventory.db, caller.user_id, cursor, size).await?;
    Ok(pb::ListMyShopsResponse {
        shops: (shops.into_iter())
            .map(|(shop, role)| pb::MyShop { shop: Some(shop.into()), role: pb::ShopRole::from(role).into() })
            .collect(),
        next_page_token: next.map(|cursor| page::encode(SCOPE, &cursor)).unwrap_or_default(),
    })
}
