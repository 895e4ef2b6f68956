use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use values::{OfferId, ShopId};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) offer: Uuid,
    pub(crate) shop: Uuid,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
}

/// As both services keep a line, but for how they write ids.
#[derive(Deserialize)]
struct StoredLine {
    offer_id: String,
    shop_id: String,
    quantity: i64,
    unit_price_minor_units: i64,
}

/// In the order of the offers.
pub(crate) fn read(stored: Value) -> Result<Vec<Line>> {
    let stored: Vec<StoredLine> = serde_json::from_value(stored).context("lines that read otherwise")?;
    let mut lines = stored
        .into_iter()
        .map(|line| {
            let offer = line.offer_id.parse::<OfferId>().map(OfferId::uuid);
            let shop = line.shop_id.parse::<ShopId>().map(ShopId::uuid);
            Ok(Line {
                offer: offer.or_else(|_| line.offer_id.parse::<Uuid>())?,
                shop: shop.or_else(|_| line.shop_id.parse::<Uuid>())?,
                quantity: line.quantity,
                unit_price: line.unit_price_minor_units,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    lines.sort();
    Ok(lines)
}
