use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::{reservations::lines_json, sql};
use crate::domain::Changes;

/// Whether [`write()`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transaction whose key was taken must be rolled back"]
pub(crate) enum Written {
    /// Everything is written.
    All,
    /// Another transaction made a reservation of one of the keys meanwhile. Roll back and start over: the reservation
    /// will be found.
    KeyTaken,
}

/// Writes what was decided, with one statement, and with one update for each row.
///
/// The reservations to settle are locked already. Locks shelves in the order of (offer, location), where they aren't
/// locked yet; inserts reservations in the order of their keys, waiting for others who insert the same.
pub(crate) async fn write(tx: &impl ConnectionTrait, changes: &Changes) -> Result<Written, DbErr> {
    if changes.is_empty() {
        return Ok(Written::All);
    }
    let opened = changes.opened.values();
    let opened_lines =
        opened.clone().map(|opened| lines_json(&opened.lines)).collect::<Result<Vec<_>, _>>()?;
    let settled = changes.settled.values();
    // Empty: as they were.
    let settled_lines = settled
        .clone()
        .map(|settled| settled.lines.as_deref().map_or_else(|| Ok(String::new()), lines_json))
        .collect::<Result<Vec<_>, _>>()?;
    let movements = changes.movements.iter();

    let write = sql(
        "WITH opened AS (
             INSERT INTO reservations (id, key, fingerprint, state, lines, expires_at)
             SELECT id, key, fingerprint, 'HELD', lines::jsonb, expires_at
             FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
                  AS new (id, key, fingerprint, lines, expires_at)
             ORDER BY key COLLATE \"C\"
             ON CONFLICT (key) DO NOTHING
             RETURNING id
         ), settled AS (
             UPDATE reservations
             SET state = new.state, lines = coalesce(nullif(new.lines, '')::jsonb, reservations.lines),
                 expires_at = new.expires_at, version = version + 1, updated_at = now()
             FROM unnest($6::uuid[], $7::text[], $8::text[], $9::timestamptz[]) AS new (id, state, lines, expires_at)
             WHERE reservations.id = new.id
         ), counted AS (
             UPDATE stock
             SET on_hand = stock.on_hand + change.on_hand, reserved = stock.reserved + change.reserved
             FROM (
                 SELECT * FROM unnest($10::uuid[], $11::uuid[], $12::bigint[], $13::bigint[])
                      AS change (offer_id, location_id, on_hand, reserved)
                 ORDER BY offer_id, location_id
             ) AS change
             WHERE stock.offer_id = change.offer_id AND stock.location_id = change.location_id
         ), noted AS (
             INSERT INTO stock_movements (offer_id, location_id, change, kind, reservation_id)
             SELECT * FROM unnest($14::uuid[], $15::uuid[], $16::bigint[], $17::text[], $18::uuid[])
         )
         SELECT count(*) FROM opened",
        [
            opened.clone().map(|opened| opened.id.uuid()).collect::<Vec<_>>().into(),
            changes.opened.keys().map(ToString::to_string).collect::<Vec<_>>().into(),
            opened.clone().map(|opened| opened.fingerprint.as_bytes().to_vec()).collect::<Vec<_>>().into(),
            opened_lines.into(),
            opened.map(|opened| opened.expires_at).collect::<Vec<DateTime<Utc>>>().into(),
            changes.settled.keys().map(|id| id.uuid()).collect::<Vec<_>>().into(),
            settled.clone().map(|settled| settled.state.name().to_owned()).collect::<Vec<_>>().into(),
            settled_lines.into(),
            settled.map(|settled| settled.expires_at).collect::<Vec<DateTime<Utc>>>().into(),
            changes.stock.keys().map(|shelf| shelf.offer.uuid()).collect::<Vec<_>>().into(),
            changes.stock.keys().map(|shelf| shelf.location.uuid()).collect::<Vec<_>>().into(),
            changes.stock.values().map(|change| change.on_hand).collect::<Vec<_>>().into(),
            changes.stock.values().map(|change| change.reserved).collect::<Vec<_>>().into(),
            movements.clone().map(|moved| moved.shelf.offer.uuid()).collect::<Vec<_>>().into(),
            movements.clone().map(|moved| moved.shelf.location.uuid()).collect::<Vec<_>>().into(),
            movements.clone().map(|moved| moved.change).collect::<Vec<_>>().into(),
            movements.clone().map(|moved| moved.kind.name().to_owned()).collect::<Vec<_>>().into(),
            movements.map(|moved| moved.reservation.uuid()).collect::<Vec<Uuid>>().into(),
        ],
    );
    let row = tx.query_one_raw(write).await?;
    let inserted: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    let all = usize::try_from(inserted) == Ok(changes.opened.len());
    Ok(if all { Written::All } else { Written::KeyTaken })
}
