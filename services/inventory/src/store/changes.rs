use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Value};
use server::database::{is_conflict, refused_by};
use uuid::Uuid;

use super::{reservations::lines_json, sql};
use crate::domain::{Changes, Opened};

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

/// Whether [`open()`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what raced must be decided again, under locks"]
pub(crate) enum Opening {
    /// Everything is written.
    Done,
    /// Another transaction was faster, and nothing is written.
    Raced,
}

/// Writes what was decided, with one statement, and with one update for each row.
///
/// The reservations to settle are locked already. Locks shelves in the order of (offer, location), where they aren't
/// locked yet; inserts reservations in the order of their keys, waiting for others who insert the same. Shelves are
/// changed before the reservations that are settled, since Postgres runs what nobody reads from last to first: who
/// [`open()`]s another of the same key waits for such a change, and has shelves by then.
pub(crate) async fn write(tx: &impl ConnectionTrait, changes: &Changes) -> Result<Written, DbErr> {
    if changes.is_empty() {
        return Ok(Written::All);
    }
    let [ids, keys, fingerprints, lines, expires_at] = opened(changes)?;
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
            ids,
            keys,
            fingerprints,
            lines,
            expires_at,
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

/// Writes new reservations and what they take from shelves, decided without a lock: all of it, or nothing if another
/// transaction has used one of the keys or taken the copies meanwhile.
///
/// A transaction of its own. Locks shelves in the order of (offer, location); what nobody reads from, the insert, runs
/// afterwards, in the order of the keys.
pub(crate) async fn open(db: &impl ConnectionTrait, changes: &Changes) -> Result<Opening, DbErr> {
    if changes.opened.is_empty() {
        return Ok(Opening::Done);
    }
    let [ids, keys, fingerprints, lines, expires_at] = opened(changes)?;
    let open = sql(
        "WITH opened AS (
             INSERT INTO reservations (id, key, fingerprint, state, lines, expires_at)
             SELECT id, key, fingerprint, 'HELD', lines::jsonb, expires_at
             FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
                  AS new (id, key, fingerprint, lines, expires_at)
             ORDER BY key COLLATE \"C\"
         )
         UPDATE stock SET reserved = reserved + taken.copies
         FROM (
             SELECT * FROM unnest($6::uuid[], $7::uuid[], $8::bigint[]) AS taken (offer_id, location_id, copies)
             ORDER BY offer_id, location_id
         ) AS taken
         WHERE stock.offer_id = taken.offer_id AND stock.location_id = taken.location_id",
        [
            ids,
            keys,
            fingerprints,
            lines,
            expires_at,
            changes.stock.keys().map(|shelf| shelf.offer.uuid()).collect::<Vec<_>>().into(),
            changes.stock.keys().map(|shelf| shelf.location.uuid()).collect::<Vec<_>>().into(),
            changes.stock.values().map(|change| change.reserved).collect::<Vec<_>>().into(),
        ],
    );
    match db.execute_raw(open).await {
        Ok(_) => Ok(Opening::Done),
        Err(error)
            if is_conflict(&error) || refused_by(&error).is_some_and(|name| MEANWHILE.contains(&name)) =>
        {
            Ok(Opening::Raced)
        }
        Err(error) => Err(error),
    }
}

/// What refuses to [`open()`] when another transaction was faster.
const MEANWHILE: [&str; 2] = ["reservations_key_key", "stock_is_not_oversold"];

/// The columns of new reservations: ids, keys, fingerprints, lines and when they lapse.
fn opened(changes: &Changes) -> Result<[Value; 5], DbErr> {
    let opened = || changes.opened.values();
    let lines = opened().map(|opened| lines_json(&opened.lines)).collect::<Result<Vec<_>, _>>()?;
    let fingerprint = |opened: &Opened| opened.fingerprint.as_bytes().to_vec();
    Ok([
        opened().map(|opened| opened.id.uuid()).collect::<Vec<_>>().into(),
        changes.opened.keys().map(ToString::to_string).collect::<Vec<_>>().into(),
        opened().map(fingerprint).collect::<Vec<_>>().into(),
        lines.into(),
        opened().map(|opened| opened.expires_at).collect::<Vec<DateTime<Utc>>>().into(),
    ])
}
