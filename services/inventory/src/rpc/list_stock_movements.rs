use auth::Customer;
use proto::inventory::v1::{self as pb, MovementKind};
use server::wire::timestamp;
use values::{
    LocationId, OfferId, ReservationId, ShopId, Violations,
    page::{self, PageSize},
};

use super::Inventory;
use crate::{
    error::Error,
    store::{self, members::Work, movements::MovementRow},
};

struct ListStockMovements {
    size: PageSize,
    offer: OfferId,
    location: Option<LocationId>,
    /// The last movement of the page before.
    cursor: Option<i64>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListStockMovements {
    fn parse(wire: &pb::ListStockMovementsRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = format!("ListStockMovements offer_id={} location_id={}", wire.offer_id, wire.location_id);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let offer = violations.parse("offer_id", &wire.offer_id);
        let location = if wire.location_id.is_empty() {
            Some(None)
        } else {
            violations.parse::<LocationId>("location_id", &wire.location_id).map(Some)
        };
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed =
            (|| Some(Self { size: size?, offer: offer?, location: location?, cursor: cursor?, scope }))();
        violations.finish(parsed)
    }
}

/// Lists every change of the stock of an offer of a shop that the caller works in, the newest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list · `NOT_FOUND` offer
/// · `PERMISSION_DENIED` not the caller's shop
pub(super) async fn list_stock_movements(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::ListStockMovementsRequest,
) -> Result<pb::ListStockMovementsResponse, Error> {
    let request = ListStockMovements::parse(&wire)?;
    let offer = store::offers::find(&inventory.db, request.offer)
        .await?
        .ok_or_else(|| Error::not_found("offer", &request.offer))?;
    inventory.may(caller, ShopId::from_uuid(offer.shop_id), Work::Books).await?;
    let (rows, more) =
        store::movements::list(&inventory.db, request.offer, request.location, request.cursor, request.size)
            .await?;
    let next_page_token = match rows.last() {
        Some(last) if more => page::encode(&request.scope, &last.id),
        _ => String::new(),
    };
    let movements = rows.into_iter().map(|row| movement(request.offer, row)).collect();
    Ok(pb::ListStockMovementsResponse { movements, next_page_token })
}

fn movement(offer: OfferId, row: MovementRow) -> pb::StockMovement {
    pb::StockMovement {
        offer_id: offer.to_string(),
        location_id: LocationId::from_uuid(row.location_id).to_string(),
        change: row.change,
        kind: kind(&row.kind).into(),
        reason: row.reason,
        reservation_id: row
            .reservation_id
            .map(|reservation| ReservationId::from_uuid(reservation).to_string())
            .unwrap_or_default(),
        create_time: Some(timestamp(row.moved_at)),
    }
}

/// The contract's kinds are called as the database's: a kind that a newer release writes is none that we know.
fn kind(name: &str) -> MovementKind {
    MovementKind::from_str_name(&format!("MOVEMENT_KIND_{name}")).unwrap_or(MovementKind::Unspecified)
}
