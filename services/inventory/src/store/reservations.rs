use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromJsonQueryResult, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use values::{EditionId, Fingerprint, LocationId, OfferId, Quantity, ReservationId, ShopId};

use super::{money, sql, stored};
use crate::domain::{Line, Pick, Reservation, ReservationKey, State};

/// What the column `lines` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(crate) struct StoredLines(Vec<StoredLine>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredLine {
    offer_id: Uuid,
    edition_id: Uuid,
    shop_id: Uuid,
    title: String,
    quantity: u32,
    unit_price_minor_units: i64,
    currency_code: String,
    picks: Vec<StoredPick>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPick {
    location_id: Uuid,
    quantity: u32,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    key: String,
    fingerprint: Vec<u8>,
    state: String,
    lines: StoredLines,
    expires_at: DateTime<Utc>,
    lapsed: bool,
}

/// The columns of a [`Row`].
const COLUMNS: &str = "id, key, fingerprint, state, lines, expires_at, expires_at <= now() AS lapsed";

/// Locks the reservations of these keys, in the order of their ids.
pub(crate) async fn lock_by_key(
    tx: &impl ConnectionTrait,
    keys: impl Iterator<Item = &ReservationKey>,
) -> Result<Vec<Reservation>, DbErr> {
    let keys: Vec<String> = keys.map(ToString::to_string).collect();
    let lock = format!("SELECT {COLUMNS} FROM reservations WHERE key = ANY($1) ORDER BY id FOR UPDATE");
    read(tx, sql(&lock, [keys.into()])).await
}

/// Whether one of the keys has a reservation by now. Locks nothing.
pub(crate) async fn any_exists(
    tx: &impl ConnectionTrait,
    keys: impl Iterator<Item = &ReservationKey>,
) -> Result<bool, DbErr> {
    let keys: Vec<String> = keys.map(ToString::to_string).collect();
    if keys.is_empty() {
        return Ok(false);
    }
    let find = sql("SELECT FROM reservations WHERE key = ANY($1) LIMIT 1", [keys.into()]);
    Ok(tx.query_one_raw(find).await?.is_some())
}

/// Locks these reservations, in the order of their ids.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    ids: impl Iterator<Item = ReservationId>,
) -> Result<Vec<Reservation>, DbErr> {
    let ids: Vec<Uuid> = ids.map(ReservationId::uuid).collect();
    let lock = format!("SELECT {COLUMNS} FROM reservations WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    read(tx, sql(&lock, [ids.into()])).await
}

/// Locks at most `limit` reservations whose time is up, longest first.
///
/// Waits for nobody: a reservation that somebody else has locked is being settled, or will be found the next time.
pub(crate) async fn lock_lapsed(tx: &impl ConnectionTrait, limit: u32) -> Result<Vec<Reservation>, DbErr> {
    let lock = format!(
        "SELECT {COLUMNS} FROM reservations WHERE state = 'HELD' AND expires_at <= now()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    read(tx, sql(&lock, [i64::from(limit).into()])).await
}

async fn read(tx: &impl ConnectionTrait, statement: Statement) -> Result<Vec<Reservation>, DbErr> {
    Row::find_by_statement(statement).all(tx).await?.into_iter().map(Reservation::try_from).collect()
}

impl TryFrom<Row> for Reservation {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        Ok(Self {
            id: ReservationId::from_uuid(row.id),
            key: stored(row.key.parse())?,
            fingerprint: stored(Fingerprint::try_from(row.fingerprint.as_slice()))?,
            state: stored(State::named(&row.state).ok_or("is no state of a reservation"))?,
            lines: row.lines.0.into_iter().map(Line::try_from).collect::<Result<_, _>>()?,
            expires_at: row.expires_at,
            lapsed: row.lapsed,
        })
    }
}

impl TryFrom<StoredLine> for Line {
    type Error = DbErr;

    fn try_from(line: StoredLine) -> Result<Self, DbErr> {
        let picks = line.picks.into_iter();
        Ok(Self {
            offer: OfferId::from_uuid(line.offer_id),
            edition: EditionId::from_uuid(line.edition_id),
            shop: ShopId::from_uuid(line.shop_id),
            title: line.title,
            quantity: stored(Quantity::try_from(line.quantity))?,
            unit_price: money(line.unit_price_minor_units, &line.currency_code)?,
            picks: picks
                .map(|pick| Pick {
                    location: LocationId::from_uuid(pick.location_id),
                    quantity: pick.quantity,
                })
                .collect(),
        })
    }
}

/// The text of the column `lines`.
pub(super) fn lines_json(lines: &[Line]) -> Result<String, DbErr> {
    let lines = lines.iter().map(|line| StoredLine {
        offer_id: line.offer.uuid(),
        edition_id: line.edition.uuid(),
        shop_id: line.shop.uuid(),
        title: line.title.clone(),
        quantity: line.quantity.get(),
        unit_price_minor_units: line.unit_price.minor_units(),
        currency_code: line.unit_price.currency().code().to_owned(),
        picks: (line.picks.iter())
            .map(|pick| StoredPick { location_id: pick.location.uuid(), quantity: pick.quantity })
            .collect(),
    });
    stored(serde_json::to_string(&StoredLines(lines.collect())))
}
