//! Shelves, their movements and the reservations: each statement is one moment, and holds at any.
//!
//! Written anew here rather than read from the service's own view of it.

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::{LocationId, OfferId, ReservationId};

use crate::{Check, Report, Service, books::Books};

pub(crate) async fn look(books: &mut Books, report: &mut Report) -> Result<()> {
    let mut moment = books.moment(Service::Inventory).await?;
    shelves(&mut moment, report).await?;
    reservations(&mut moment, report).await?;
    picks(&mut moment, report).await?;
    Ok(moment.commit().await?)
}

async fn shelves(inventory: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM stock").fetch_one(&mut *inventory).await?;
    report.looked(Check::Shelves, count);
    let rows: Vec<(Uuid, Uuid, i64, i64, i64, i64)> = query_as(
        "WITH moved AS (
             SELECT offer_id, location_id, sum(change)::bigint AS copies
             FROM stock_movements GROUP BY 1, 2
         ), held AS (
             SELECT (line ->> 'offer_id')::uuid AS offer_id, (pick ->> 'location_id')::uuid AS location_id,
                    sum((pick ->> 'quantity')::bigint)::bigint AS copies
             FROM reservations
             CROSS JOIN jsonb_array_elements(lines) AS line
             CROSS JOIN jsonb_array_elements(line -> 'picks') AS pick
             WHERE state = 'HELD' GROUP BY 1, 2
         ), compared AS (
             SELECT offer_id, location_id, coalesce(on_hand, 0) AS on_hand, coalesce(moved.copies, 0) AS moved,
                    coalesce(reserved, 0) AS reserved, coalesce(held.copies, 0) AS held
             FROM stock
             FULL JOIN moved USING (offer_id, location_id)
             FULL JOIN held USING (offer_id, location_id)
         )
         SELECT * FROM compared
         WHERE on_hand <> moved OR reserved <> held OR reserved NOT BETWEEN 0 AND on_hand",
    )
    .fetch_all(inventory)
    .await?;
    for (offer, location, on_hand, moved, reserved, held) in rows {
        let shelf = format!("{} in {}", OfferId::from_uuid(offer), LocationId::from_uuid(location));
        if on_hand != moved {
            let wrong = format!("{on_hand} on the shelf, {moved} by its movements");
            report.violation(Check::Shelves, &shelf, wrong);
        }
        if reserved != held {
            let wrong = format!("{reserved} reserved, {held} by the open reservations");
            report.violation(Check::Shelves, &shelf, wrong);
        }
        if !(0..=on_hand).contains(&reserved) {
            report.violation(Check::Shelves, &shelf, format!("{reserved} of {on_hand} reserved"));
        }
    }
    Ok(())
}

/// What was sold, put back and returned, once each, from where it was picked.
async fn reservations(inventory: &mut PgConnection, report: &mut Report) -> Result<()> {
    type Row = (Uuid, Uuid, Uuid, Option<String>, i64, i64, i64, i64);
    let count: i64 = query_scalar("SELECT count(*) FROM reservations").fetch_one(&mut *inventory).await?;
    report.looked(Check::Reservations, count);
    let rows: Vec<Row> = query_as(
        "WITH moved AS (
             SELECT reservation_id, offer_id, location_id,
                    coalesce(-sum(change) FILTER (WHERE kind = 'SOLD'), 0)::bigint AS sold,
                    coalesce(sum(change) FILTER (WHERE kind = 'RESTOCKED'), 0)::bigint AS restocked,
                    coalesce(sum(change) FILTER (WHERE kind = 'RETURNED'), 0)::bigint AS returned
             FROM stock_movements WHERE reservation_id IS NOT NULL GROUP BY 1, 2, 3
         ), picked AS (
             SELECT id AS reservation_id, state, (line ->> 'offer_id')::uuid AS offer_id,
                    (pick ->> 'location_id')::uuid AS location_id,
                    sum((pick ->> 'quantity')::bigint)::bigint AS copies
             FROM reservations
             CROSS JOIN jsonb_array_elements(lines) AS line
             CROSS JOIN jsonb_array_elements(line -> 'picks') AS pick
             GROUP BY 1, 2, 3, 4
         ), compared AS (
             SELECT reservation_id, offer_id, location_id, state, coalesce(copies, 0) AS copies,
                    coalesce(sold, 0) AS sold, coalesce(restocked, 0) AS restocked, coalesce(returned, 0) AS returned
             FROM picked FULL JOIN moved USING (reservation_id, offer_id, location_id)
         )
         SELECT * FROM compared
         WHERE sold <> CASE WHEN state IN ('COMMITTED', 'RESTOCKED') THEN copies ELSE 0 END
            OR restocked <> CASE WHEN state = 'RESTOCKED' THEN copies ELSE 0 END
            OR returned NOT BETWEEN 0 AND CASE WHEN state = 'COMMITTED' THEN copies ELSE 0 END",
    )
    .fetch_all(inventory)
    .await?;
    for (reservation, offer, location, state, copies, sold, restocked, returned) in rows {
        let (offer, location) = (OfferId::from_uuid(offer), LocationId::from_uuid(location));
        let state = state.as_deref().unwrap_or("not picked from there");
        let wrong = format!(
            "is {state}; of {copies} copies of {offer} in {location} {sold} were sold, {restocked} put back, \
             {returned} returned"
        );
        report.violation(Check::Reservations, ReservationId::from_uuid(reservation), wrong);
    }
    Ok(())
}

async fn picks(inventory: &mut PgConnection, report: &mut Report) -> Result<()> {
    let rows: Vec<(Uuid, String)> = query_as(
        "SELECT id, state FROM reservations
         WHERE state IN ('HELD', 'COMMITTED', 'RESTOCKED') AND EXISTS (
             SELECT FROM jsonb_array_elements(lines) AS line
             WHERE (line ->> 'quantity')::bigint IS DISTINCT FROM (
                 SELECT sum((pick ->> 'quantity')::bigint) FROM jsonb_array_elements(line -> 'picks') AS pick
             )
         )",
    )
    .fetch_all(inventory)
    .await?;
    for (reservation, state) in rows {
        let wrong = format!("is {state}, and its lines are not what is picked for them");
        report.violation(Check::Reservations, ReservationId::from_uuid(reservation), wrong);
    }
    Ok(())
}
