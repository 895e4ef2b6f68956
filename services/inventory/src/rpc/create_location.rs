use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, LocationId, RequestId, ShopId, Violations};

use super::Inventory;
use crate::{
    error::Error,
    store::{
        self,
        locations::{NewLocation, Opened},
        members::Work,
    },
};

#[derive(Serialize)]
struct CreateLocation {
    #[serde(skip)]
    request_id: RequestId,
    shop: ShopId,
    name: String,
}

impl CreateLocation {
    fn parse(wire: &pb::CreateLocationRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let shop = violations.parse("shop_id", &wire.shop_id);
        let name = violations.take("name", values::text(&wire.name, 1..=100));
        let parsed = (|| Some(Self { request_id: request_id?, shop: shop?, name: name? }))();
        violations.finish(parsed)
    }
}

/// Opens another stock room of a shop that the caller owns.
///
/// Repeating a `request_id` answers with the room that it opened.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` shop · `PERMISSION_DENIED` not the caller's shop
/// · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn create_location(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::CreateLocationRequest,
) -> Result<pb::Location, Error> {
    let request = CreateLocation::parse(&wire)?;
    let fingerprint = Fingerprint::of(&request);
    inventory.may(caller, request.shop, Work::Owner).await?;
    let new = NewLocation {
        shop: request.shop,
        name: request.name,
        opened_by: caller.user_id,
        request_id: request.request_id,
        fingerprint,
    };
    let opened = match earlier(inventory, &new).await? {
        Some(earlier) => earlier,
        None => open(inventory, &new).await?,
    };
    Ok(pb::Location { location_id: LocationId::from_uuid(opened.id).to_string(), name: opened.name })
}

/// The room that the same request opened before.
async fn earlier(inventory: &Inventory, new: &NewLocation) -> Result<Option<Opened>, Error> {
    match store::locations::find_by_request(&inventory.db, new.opened_by, &new.request_id).await? {
        Some(earlier) if earlier.fingerprint()? != new.fingerprint => Err(Error::RequestIdReused),
        earlier => Ok(earlier),
    }
}

async fn open(inventory: &Inventory, new: &NewLocation) -> Result<Opened, Error> {
    let tx = inventory.db.begin().await?;
    store::locations::open(&tx, new).await?;
    fault::around("inventory.create_location.commit", tx.commit()).await?;
    // This room, or that of an equal request which was faster.
    earlier(inventory, new).await?.ok_or_else(|| Error::not_found("shop", &new.shop))
}
