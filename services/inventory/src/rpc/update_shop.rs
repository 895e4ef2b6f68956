use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use server::wire::parse_mask;
use values::{ShopId, Violations};

use super::{Inventory, may};
use crate::{
    error::Error,
    store::{self, members::Work, shops::Shop},
};

struct UpdateShop {
    shop: ShopId,
    name: Option<String>,
    city: Option<String>,
    etag: String,
}

impl UpdateShop {
    fn parse(wire: pb::UpdateShopRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let shop = violations.parse("shop_id", &wire.shop_id);
        let mask = parse_mask(&mut violations, "update_mask", wire.update_mask.as_ref(), &["name", "city"])
            .unwrap_or_default();
        let mut masked = |field: &'static str, text: &str| {
            mask.contains(field).then(|| violations.take(field, values::text(text, 1..=100))).flatten()
        };
        let (name, city) = (masked("name", &wire.name), masked("city", &wire.city));
        let parsed = shop.map(|shop| Self { shop, name, city, etag: wire.etag });
        violations.finish(parsed)
    }
}

/// Changes a shop that the caller owns.
///
/// Repeated, it answers with the shop as it is, even under the `etag` of the shop that it changed.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` shop · `PERMISSION_DENIED` not the caller's · `ABORTED` it has
/// changed since the `etag` was read
pub(super) async fn update_shop(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::UpdateShopRequest,
) -> Result<pb::Shop, Error> {
    let request = UpdateShop::parse(wire)?;
    let id = request.shop;

    let tx = inventory.db.begin().await?;
    store::shops::lock(&tx, id).await?;
    may(&tx, caller, id, Work::Owner).await?;
    let Some(mut shop) = store::shops::find(&tx, id).await? else {
        return Err(Error::not_found("shop", &id));
    };
    if change(&mut shop, request)? {
        store::shops::update(&tx, id, &shop.shop.name, &shop.shop.city).await?;
        fault::around("inventory.update_shop.commit", tx.commit()).await?;
    }
    Ok(shop.into())
}

/// Whether `shop` is another now.
fn change(shop: &mut Shop, request: UpdateShop) -> Result<bool, Error> {
    let known = shop.etag();
    for (field, value) in [(&mut shop.shop.name, request.name), (&mut shop.shop.city, request.city)] {
        *field = value.unwrap_or_else(|| field.clone());
    }
    let changed = shop.etag() != known;
    if changed && !request.etag.is_empty() && request.etag != known {
        return Err(Error::EtagMismatch);
    }
    Ok(changed)
}
