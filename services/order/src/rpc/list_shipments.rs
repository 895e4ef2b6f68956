use auth::{Customer, Permission};
use proto::order::v1 as pb;
use values::{ShopId, Violations, page};

use super::{
    OrderService,
    wire::{self, shipment_of, states::shipment_filter},
};
use crate::{
    error::Error,
    store::{members, shipments},
};

/// Lists what a shop has to send and has sent, those first that have waited longest.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such shop, or not the caller's
pub(super) async fn list_shipments(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::ListShipmentsRequest,
) -> Result<pb::ListShipmentsResponse, Error> {
    let scope = format!("ListShipments shop={} state={}", wire.shop_id, wire.state);
    let mut violations = Violations::new();
    let seller = violations.parse("shop_id", &wire.shop_id);
    let size = violations.take("page_size", page::PageSize::parse(wire.page_size));
    let after = violations.take("page_token", page::decode::<shipments::Cursor>(&scope, &wire.page_token));
    let state = wire::filter(&mut violations, "state", wire.state, shipment_filter);
    let ((seller, size), after) = violations.finish(seller.zip(size).zip(after))?;

    admit(shop, caller, seller).await?;
    let mut found = shipments::page_of(&shop.db, seller, state, after, size).await?;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let has_more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some((cursor, _)) if has_more => page::encode(&scope, cursor),
        _ => String::new(),
    };
    let shipments = found.iter().filter_map(|(_, order)| shipment_of(order, seller)).collect();
    Ok(pb::ListShipmentsResponse { shipments, next_page_token })
}

/// Whether the caller may look into the shop: by working there, or with the permission `orders.read`.
pub(super) async fn admit(shop: &OrderService, caller: &Customer, seller: ShopId) -> Result<(), Error> {
    let is_admitted = !members::shops_of(&shop.db, caller.user_id, [seller]).await?.is_empty()
        || (caller.may(Permission::ORDERS_READ) && members::is_known(&shop.db, seller).await?);
    if is_admitted { Ok(()) } else { Err(Error::NoSuchShop(seller.to_string())) }
}
