use std::collections::HashMap;

use anyhow::Result;
use serde_json::Value;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use super::lines::{self, Line};

/// What inventory says of an order.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) key: String,
    pub(crate) state: String,
    pub(crate) is_calm: bool,
    pub(crate) lines: Vec<Line>,
    /// Copies that are back on the shelves, by return.
    pub(crate) returned: HashMap<Uuid, i64>,
}

/// These reservations, in one moment.
pub(crate) async fn these(
    db: &mut PgConnection,
    ids: &[Uuid],
    grace: f64,
) -> Result<HashMap<Uuid, Reservation>> {
    let rows: Vec<(Uuid, String, String, bool, Value)> = query_as(
        "SELECT id, key, state, updated_at <= clock_timestamp() - make_interval(secs => $2), lines
         FROM reservations WHERE id = ANY($1)",
    )
    .bind(ids)
    .bind(grace)
    .fetch_all(&mut *db)
    .await?;
    let mut reservations = HashMap::new();
    for (id, key, state, is_calm, stored) in rows {
        let (lines, returned) = (lines::read(stored)?, HashMap::new());
        reservations.insert(id, Reservation { key, state, is_calm, lines, returned });
    }
    let rows: Vec<(Uuid, Uuid, i64)> = query_as(
        "SELECT reservation_id, return_id, sum(change)::bigint FROM stock_movements
         WHERE reservation_id = ANY($1) AND return_id IS NOT NULL GROUP BY 1, 2",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    for (id, cause, copies) in rows {
        if let Some(reservation) = reservations.get_mut(&id) {
            reservation.returned.insert(cause, copies);
        }
    }
    Ok(reservations)
}
