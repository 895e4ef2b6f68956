use auth::Customer;
use proto::inventory::v1::{self as pb, adjust_stock_request::Change};
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, LocationId, OfferId, RequestId, ShopId, Violations};

use super::Inventory;
use crate::{
    domain::{Count, Shelf},
    error::Error,
    store::{
        self,
        members::Work,
        stock::{Adjusted, AdjustedBy},
    },
};

#[derive(Serialize)]
struct AdjustStock {
    #[serde(skip)]
    request_id: RequestId,
    offer: OfferId,
    location: Option<LocationId>,
    count: Count,
    reason: String,
}

/// The most copies in one go, either way.
const MAX_COPIES: u32 = 1_000_000;

impl AdjustStock {
    fn parse(wire: &pb::AdjustStockRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let offer = violations.parse("offer_id", &wire.offer_id);
        let location = if wire.location_id.is_empty() {
            Some(None)
        } else {
            violations.parse::<LocationId>("location_id", &wire.location_id).map(Some)
        };
        let count = parse_count(&mut violations, wire.change);
        let reason = violations.take("reason", values::text(&wire.reason, 0..=200));
        let parsed = (|| {
            Some(Self {
                request_id: request_id?,
                offer: offer?,
                location: location?,
                count: count?,
                reason: reason?,
            })
        })();
        violations.finish(parsed)
    }
}

fn parse_count(violations: &mut Violations, change: Option<Change>) -> Option<Count> {
    match change {
        Some(Change::Delta(delta)) if delta != 0 && delta.unsigned_abs() <= MAX_COPIES => {
            Some(Count::Delta(delta))
        }
        Some(Change::Delta(_)) => {
            violations.add("delta", format!("must be -{MAX_COPIES} to {MAX_COPIES} and not zero"));
            None
        }
        Some(Change::OnHand(on_hand)) => {
            let counted = u32::try_from(on_hand).ok().filter(|&counted| counted <= MAX_COPIES);
            if counted.is_none() {
                violations.add("on_hand", format!("must be 0 to {MAX_COPIES}"));
            }
            counted.map(Count::OnHand)
        }
        None => {
            violations.add("change", "is required: give a delta or what is on_hand");
            None
        }
    }
}

/// Counts stock in or out, or to a counted number, in a shop of the caller.
///
/// Repeating a `request_id` answers with the counts that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` offer or location · `PERMISSION_DENIED` not the caller's shop
/// · `FAILED_PRECONDITION` less would be left than is reserved · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn adjust_stock(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::AdjustStockRequest,
) -> Result<pb::StockLevel, Error> {
    let request = AdjustStock::parse(&wire)?;
    let by = AdjustedBy {
        user: caller.user_id,
        request_id: request.request_id.clone(),
        fingerprint: Fingerprint::of(&request),
        reason: request.reason.clone(),
    };
    let offer = store::offers::find(&inventory.db, request.offer)
        .await?
        .ok_or_else(|| Error::not_found("offer", &request.offer))?;
    let shop = ShopId::from_uuid(offer.shop_id);
    inventory.may(caller, shop, Work::Books).await?;
    let adjusted = match earlier(inventory, &by).await? {
        Some(earlier) => earlier,
        None => adjust(inventory, shop, &request, &by).await?,
    };
    Ok(pb::StockLevel {
        offer_id: request.offer.to_string(),
        location_id: LocationId::from_uuid(adjusted.location_id).to_string(),
        location_name: adjusted.location_name,
        on_hand: adjusted.on_hand_after,
        reserved: adjusted.reserved_after,
    })
}

/// What the same request was answered before.
async fn earlier(inventory: &Inventory, by: &AdjustedBy) -> Result<Option<Adjusted>, Error> {
    match store::stock::find_adjustment(&inventory.db, by.user, &by.request_id).await? {
        Some(earlier) if earlier.fingerprint()? != by.fingerprint => Err(Error::RequestIdReused),
        earlier => Ok(earlier),
    }
}

async fn adjust(
    inventory: &Inventory,
    shop: ShopId,
    request: &AdjustStock,
    by: &AdjustedBy,
) -> Result<Adjusted, Error> {
    let location = store::shops::location_of(&inventory.db, shop, request.location).await?;
    let named = request.location.map(|location| location.to_string()).unwrap_or_default();
    let location = location.ok_or_else(|| Error::not_found("location", &named))?;
    let shelf = Shelf { offer: request.offer, location: LocationId::from_uuid(location.id) };

    let tx = inventory.db.begin().await?;
    let level = store::stock::lock_one(&tx, shop, shelf).await?;
    let adjustment = match level.adjusted(request.count) {
        Ok(adjustment) => adjustment,
        // What is missing may be what an equal request, which was faster, has just taken.
        Err(refused) => {
            tx.rollback().await?;
            return earlier(inventory, by).await?.ok_or_else(|| refused.into());
        }
    };
    if store::stock::adjust(&tx, shelf, adjustment, by).await? {
        fault::around("inventory.adjust_stock.commit", tx.commit()).await?;
    } else {
        tx.rollback().await?;
    }
    // What was written, here or by an equal request that was faster.
    earlier(inventory, by).await?.ok_or_else(|| Error::not_found("offer", &request.offer))
}
