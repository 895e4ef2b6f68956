use chrono::{DateTime, Utc};
use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;
use values::{EditionId, Fingerprint, LocationId, OfferId, RequestId, ShopId, UserId};

use super::{money, sql, stored};
use crate::domain::{Adjustment, AdjustmentKind, Holdings, OfferFacts, Shelf, StockLevel};

/// Puts the first copies of an offer on a shelf, which is made if it is missing.
pub(super) async fn open_shelf(
    tx: &impl ConnectionTrait,
    shop: ShopId,
    offer: OfferId,
    location: LocationId,
    copies: u32,
) -> Result<(), DbErr> {
    let open = sql(
        "WITH shelf AS (
             INSERT INTO stock (offer_id, location_id, shop_id, on_hand) VALUES ($1, $2, $3, $4)
             ON CONFLICT (offer_id, location_id) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand
         )
         INSERT INTO stock_movements (offer_id, location_id, change, kind)
         SELECT $1, $2, $4, 'INITIAL' WHERE $4 > 0",
        [offer.uuid().into(), location.uuid().into(), shop.uuid().into(), i64::from(copies).into()],
    );
    tx.execute_raw(open).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct ShelfRow {
    offer_id: Uuid,
    location_id: Uuid,
    free: i64,
    edition_id: Uuid,
    shop_id: Uuid,
    title: String,
    price_minor_units: i64,
    currency_code: String,
    withdrawn: bool,
    expires_at: DateTime<Utc>,
}

/// The shelves of some offers, and what is known of the offers. Until when what is reserved now is held, by the
/// database's clock.
const SHELVES: &str = "
    SELECT stock.offer_id, stock.location_id, stock.on_hand - stock.reserved AS free,
           offers.edition_id, offers.shop_id, works.title, offers.price_minor_units, offers.currency_code,
           offers.withdrawn_at IS NOT NULL AS withdrawn,
           now() + $2 * interval '1 second' AS expires_at
    FROM stock
    JOIN offers ON offers.id = stock.offer_id
    JOIN editions ON editions.id = offers.edition_id
    JOIN works ON works.id = editions.work_id
    WHERE stock.offer_id = ANY($1)";

/// Locks every shelf of `offers` in the order of (offer, location), and adds them and what is known of the offers to
/// `holdings`. What is reserved now is held for `ttl`, by the database's clock.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    offers: &BTreeSet<OfferId>,
    ttl: Duration,
    holdings: &mut Holdings,
) -> Result<(), DbErr> {
    let lock = format!("{SHELVES} ORDER BY stock.offer_id, stock.location_id FOR UPDATE OF stock");
    add(tx, &lock, offers, ttl, holdings).await
}

/// Adds the same to `holdings` and locks nothing: what is decided by it must be refused by the database if it is no
/// longer so.
pub(crate) async fn read(
    db: &impl ConnectionTrait,
    offers: &BTreeSet<OfferId>,
    ttl: Duration,
    holdings: &mut Holdings,
) -> Result<(), DbErr> {
    add(db, SHELVES, offers, ttl, holdings).await
}

async fn add(
    db: &impl ConnectionTrait,
    shelves: &str,
    offers: &BTreeSet<OfferId>,
    ttl: Duration,
    holdings: &mut Holdings,
) -> Result<(), DbErr> {
    let offers = offers.iter().map(|offer| offer.uuid()).collect::<Vec<_>>();
    let shelves = sql(shelves, [offers.into(), ttl.as_secs_f64().into()]);
    for row in ShelfRow::find_by_statement(shelves).all(db).await? {
        let offer = OfferId::from_uuid(row.offer_id);
        let free = if is_off(Guard::Stock) { i64::from(u32::MAX) } else { row.free };
        holdings.add_shelf(Shelf { offer, location: LocationId::from_uuid(row.location_id) }, free);
        holdings.hold_until(row.expires_at);
        // Its shelves serve those who have reserved; for others there is no such offer.
        if row.withdrawn {
            continue;
        }
        let unit_price = money(row.price_minor_units, &row.currency_code)?;
        let facts = OfferFacts {
            edition: EditionId::from_uuid(row.edition_id),
            shop: ShopId::from_uuid(row.shop_id),
            title: row.title,
            unit_price,
        };
        holdings.add_offer(offer, facts);
    }
    Ok(())
}

/// What an adjustment was answered.
#[derive(FromQueryResult)]
pub(crate) struct Adjusted {
    pub(crate) location_id: Uuid,
    pub(crate) location_name: String,
    pub(crate) on_hand_after: i64,
    pub(crate) reserved_after: i64,
    request_fingerprint: Vec<u8>,
}

impl Adjusted {
    /// Of the request that adjusted.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, DbErr> {
        stored(Fingerprint::try_from(self.request_fingerprint.as_slice()))
    }
}

/// The adjustment that a request of this user made.
pub(crate) async fn find_adjustment(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Adjusted>, DbErr> {
    let find = sql(
        "SELECT location_id, locations.name AS location_name, on_hand_after, reserved_after, request_fingerprint
         FROM stock_movements JOIN locations ON locations.id = location_id
         WHERE adjusted_by = $1 AND request_id = $2",
        [caller.uuid().into(), request_id.as_str().into()],
    );
    Adjusted::find_by_statement(find).one(db).await
}

/// Locks one shelf, making it if it is missing, and tells what is on it.
pub(crate) async fn lock_one(
    tx: &impl ConnectionTrait,
    shop: ShopId,
    shelf: Shelf,
) -> Result<StockLevel, DbErr> {
    let make = sql(
        "INSERT INTO stock (offer_id, location_id, shop_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [shelf.offer.uuid().into(), shelf.location.uuid().into(), shop.uuid().into()],
    );
    tx.execute_raw(make).await?;
    let lock = sql(
        "SELECT on_hand, reserved FROM stock WHERE offer_id = $1 AND location_id = $2 FOR UPDATE",
        [shelf.offer.uuid().into(), shelf.location.uuid().into()],
    );
    let row = tx.query_one_raw(lock).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a shelf that was just made".to_owned()))?;
    Ok(StockLevel { on_hand: row.try_get_by_index(0)?, reserved: row.try_get_by_index(1)? })
}

/// Who adjusts a shelf and why.
#[derive(Clone, Debug)]
pub(crate) struct AdjustedBy {
    pub(crate) user: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reason: String,
}

/// Writes what became of the locked shelf. `false` if the request has adjusted something already: the transaction must
/// be rolled back then.
///
/// Waits for another transaction of the same request, which never waits for a shelf after this insert.
pub(crate) async fn adjust(
    tx: &impl ConnectionTrait,
    shelf: Shelf,
    adjustment: Adjustment,
    by: &AdjustedBy,
) -> Result<bool, DbErr> {
    let kind = match adjustment.kind {
        AdjustmentKind::Adjusted => "ADJUSTED",
        AdjustmentKind::Counted => "COUNTED",
    };
    let note = sql(
        "INSERT INTO stock_movements (offer_id, location_id, change, kind, reason, adjusted_by, request_id,
                                      request_fingerprint, on_hand_after, reserved_after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (adjusted_by, request_id) WHERE request_id IS NOT NULL DO NOTHING",
        [
            shelf.offer.uuid().into(),
            shelf.location.uuid().into(),
            adjustment.change.into(),
            kind.into(),
            by.reason.as_str().into(),
            by.user.uuid().into(),
            by.request_id.as_str().into(),
            by.fingerprint.as_bytes().to_vec().into(),
            adjustment.level.on_hand.into(),
            adjustment.level.reserved.into(),
        ],
    );
    if tx.execute_raw(note).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let write = sql(
        "UPDATE stock SET on_hand = $3 WHERE offer_id = $1 AND location_id = $2",
        [shelf.offer.uuid().into(), shelf.location.uuid().into(), adjustment.level.on_hand.into()],
    );
    tx.execute_raw(write).await?;
    Ok(true)
}

/// The stock of an offer in one location.
#[derive(FromQueryResult)]
pub(crate) struct LevelRow {
    pub(crate) location_id: Uuid,
    pub(crate) location_name: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
}

/// The stock of an offer, by location.
pub(crate) async fn levels(db: &impl ConnectionTrait, offer: OfferId) -> Result<Vec<LevelRow>, DbErr> {
    let read = sql(
        "SELECT location_id, locations.name AS location_name, on_hand, reserved
         FROM stock JOIN locations ON locations.id = location_id
         WHERE offer_id = $1
         ORDER BY location_id",
        [offer.uuid().into()],
    );
    LevelRow::find_by_statement(read).all(db).await
}
