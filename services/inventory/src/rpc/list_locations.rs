use auth::Customer;
use proto::inventory::v1 as pb;
use values::{
    LocationId, ShopId, Violations,
    page::{self, PageSize},
};

use super::Inventory;
use crate::{
    error::Error,
    store::{self, members::Work},
};

struct ListLocations {
    size: PageSize,
    shop: ShopId,
    cursor: Option<LocationId>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListLocations {
    fn parse(wire: &pb::ListLocationsRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = format!("ListLocations shop_id={}", wire.shop_id);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let shop = violations.parse("shop_id", &wire.shop_id);
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed = (|| Some(Self { size: size?, shop: shop?, cursor: cursor?, scope }))();
        violations.finish(parsed)
    }
}

/// Lists the stock rooms of a shop that the caller works in, the first one first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list · `NOT_FOUND` shop
/// · `PERMISSION_DENIED` the caller doesn't work there
pub(super) async fn list_locations(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::ListLocationsRequest,
) -> Result<pb::ListLocationsResponse, Error> {
    let request = ListLocations::parse(&wire)?;
    inventory.may(caller, request.shop, Work::Books).await?;
    let (rows, more) =
        store::locations::list(&inventory.db, request.shop, request.cursor, request.size).await?;
    let next_page_token = match rows.last() {
        Some(last) if more => page::encode(&request.scope, &LocationId::from_uuid(last.id)),
        _ => String::new(),
    };
    let locations = (rows.into_iter())
        .map(|row| pb::Location { location_id: LocationId::from_uuid(row.id).to_string(), name: row.name })
        .collect();
    Ok(pb::ListLocationsResponse { locations, next_page_token })
}
