use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, LocationId, RequestId, ShopId, Violations};

use super::Inventory;
use crate::{
    error::Error,
    events::shop_member_changed,
    store::{self, shops::NewShop},
};

/// What a shop's first location is called.
const FIRST_LOCATION: &str = "Main";

#[derive(Serialize)]
struct RegisterShop {
    #[serde(skip)]
    request_id: RequestId,
    name: String,
    city: String,
}

impl RegisterShop {
    fn parse(wire: &pb::RegisterShopRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let name = violations.take("name", values::text(&wire.name, 1..=100));
        let city = violations.take("city", values::text(&wire.city, 1..=100));
        let parsed = (|| Some(Self { request_id: request_id?, name: name?, city: city? }))();
        violations.finish(parsed)
    }
}

/// Opens a shop with one location, and tells others who owns it.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn register_shop(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::RegisterShopRequest,
) -> Result<pb::Shop, Error> {
    let request = RegisterShop::parse(&wire)?;
    let fingerprint = Fingerprint::of(&request);
    let new = NewShop {
        id: ShopId::new(),
        name: request.name,
        city: request.city,
        location: LocationId::new(),
        location_name: FIRST_LOCATION.to_owned(),
        owner: caller.user_id,
        request_id: request.request_id,
        fingerprint,
    };

    let tx = inventory.db.begin().await?;
    if store::shops::register(&tx, &new).await? {
        let event = shop_member_changed::owner_registered(new.id, new.owner)?;
        events::outbox::append(&tx, &[event]).await?;
    }
    fault::around("inventory.register_shop.commit", tx.commit()).await?;
    inventory.relay.wake();

    // This shop, or the one that the same request opened before.
    let shop = store::shops::find_by_request(&inventory.db, caller.user_id, &new.request_id)
        .await?
        .ok_or_else(|| Error::not_found("shop", &new.id))?;
    if shop.fingerprint()? != fingerprint {
        return Err(Error::RequestIdReused);
    }
    Ok(shop.into())
}
