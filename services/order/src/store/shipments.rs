//! What shops send. A database trigger makes the rows when an order is CONFIRMED, and cancels them with it.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromJsonQueryResult, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use values::{OrderId, ShopId, page::PageSize};

use super::{
    known,
    orders::{columns, within},
    rows::OrderRow,
    sql,
};
use crate::domain::{Order, Shipment, ShipmentState};

/// The column of an order's [`StoredShipments`].
pub(super) const SHIPMENTS: &str = "
    (SELECT coalesce(jsonb_agg(to_jsonb(shipments) ORDER BY shop_id), '[]') FROM shipments
     WHERE order_id = orders.id) AS shipments";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(super) struct StoredShipments(pub(super) Vec<StoredShipment>);

/// A row, as Postgres makes JSON of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredShipment {
    shop_id: Uuid,
    state: String,
    tracking_number: String,
    carrier: String,
    created_at: DateTime<Utc>,
    shipped_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
}

impl TryFrom<StoredShipment> for Shipment {
    type Error = DbErr;

    fn try_from(stored: StoredShipment) -> Result<Self, DbErr> {
        Ok(Self {
            shop: ShopId::from_uuid(stored.shop_id),
            state: known(ShipmentState::named(&stored.state))?,
            tracking_number: stored.tracking_number,
            carrier: stored.carrier,
            created_at: stored.created_at,
            shipped_at: stored.shipped_at,
            delivered_at: stored.delivered_at,
        })
    }
}

/// Writes where a shipment of a locked order stands now; tracking number and carrier only with SHIPPED.
pub(crate) async fn advance(
    tx: &impl ConnectionTrait,
    order: OrderId,
    shop: ShopId,
    now: ShipmentState,
    tracking_number: &str,
    carrier: &str,
) -> Result<(), DbErr> {
    let update = match now {
        ShipmentState::Shipped => {
            "UPDATE shipments SET state = $3, tracking_number = $4, carrier = $5, shipped_at = clock_timestamp()
             WHERE order_id = $1 AND shop_id = $2"
        }
        ShipmentState::Ready | ShipmentState::Delivered | ShipmentState::Cancelled => {
            "UPDATE shipments SET state = $3, delivered_at = clock_timestamp()
             WHERE order_id = $1 AND shop_id = $2 AND $4 = '' AND $5 = ''"
        }
    };
    let values =
        [order.uuid().into(), shop.uuid().into(), now.name().into(), tracking_number.into(), carrier.into()];
    tx.execute_raw(sql(update, values)).await?;
    Ok(())
}

/// Where a page of a shop's shipments begins.
pub(crate) type Cursor = (DateTime<Utc>, OrderId);

#[derive(FromQueryResult)]
struct SentRow {
    waits_since: DateTime<Utc>,
    #[sea_orm(nested)]
    order: OrderRow,
}

/// The orders of which the shop has a shipment after `after`, those first that have waited longest: one more than fit
/// the page, if there are more.
pub(crate) async fn page_of(
    db: &impl ConnectionTrait,
    shop: ShopId,
    state: Option<ShipmentState>,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<Vec<(Cursor, Order)>, DbErr> {
    // As text, so that the plan can use the index on what is READY.
    let in_state = state.map(|state| format!("AND state = '{}'", state.name())).unwrap_or_default();
    let find = format!(
        "WITH page AS (
             SELECT order_id, created_at FROM shipments
             WHERE shop_id = $1 AND (created_at, order_id) > ($2, $3) {in_state}
             ORDER BY created_at, order_id LIMIT $4
         )
         SELECT page.created_at AS waits_since, {} FROM page JOIN orders ON id = order_id
         ORDER BY page.created_at, order_id",
        columns()
    );
    let (since, order) = after.unwrap_or((DateTime::UNIX_EPOCH, OrderId::from_uuid(Uuid::nil())));
    let values = [shop.uuid().into(), since.into(), order.uuid().into(), within(size).into()];
    let rows = SentRow::find_by_statement(sql(&find, values)).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let order = Order::try_from(row.order)?;
            Ok(((row.waits_since, order.status.id), order))
        })
        .collect()
}
