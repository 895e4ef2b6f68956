use proto::inventory::v1 as pb;
use values::{
    Violations,
    page::{self, PageSize},
};

use super::{Inventory, wire::public};
use crate::{
    error::Error,
    store::{self, shops::Cursor},
};

struct ListShops {
    size: PageSize,
    city: Option<String>,
    cursor: Option<Cursor>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListShops {
    fn parse(wire: &pb::ListShopsRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = format!("ListShops city={}", wire.city);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let city = violations.take("city", values::text(&wire.city, 0..=100));
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed = (|| {
            Some(Self { size: size?, city: city.filter(|city| !city.is_empty()), cursor: cursor?, scope })
        })();
        violations.finish(parsed)
    }
}

/// Lists shops by name, without their stock rooms.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_shops(
    inventory: &Inventory,
    wire: pb::ListShopsRequest,
) -> Result<pb::ListShopsResponse, Error> {
    let request = ListShops::parse(&wire)?;
    let (shops, next) =
        store::shops::list(&inventory.db, request.city.as_deref(), request.cursor, request.size).await?;
    Ok(pb::ListShopsResponse {
        shops: shops.into_iter().map(public).collect(),
        next_page_token: next.map(|cursor| page::encode(&request.scope, &cursor)).unwrap_or_default(),
    })
}
