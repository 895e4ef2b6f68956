use anyhow::Result;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

/// At any moment: the shelf is the sum of its movements, what is reserved the sum of the open reservations.
///
/// One statement, so that it is one moment; written anew here rather than read from the service's own view of it.
pub(crate) async fn violations(inventory: &mut PgConnection) -> Result<Vec<String>> {
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
         )
         SELECT offer_id, location_id, coalesce(on_hand, 0), coalesce(moved.copies, 0),
                coalesce(reserved, 0), coalesce(held.copies, 0)
         FROM stock FULL JOIN moved USING (offer_id, location_id) FULL JOIN held USING (offer_id, location_id)",
    )
    .fetch_all(inventory)
    .await?;
    let mut found = Vec::new();
    for (offer, location, on_hand, moved, reserved, held) in rows {
        let stock = format!("stock of offer {offer} in {location}");
        if on_hand != moved {
            found.push(format!("{stock}: {on_hand} on the shelf, {moved} by its movements"));
        }
        if reserved != held {
            found.push(format!("{stock}: {reserved} reserved, {held} by the open reservations"));
        }
        if !(0..=on_hand).contains(&reserved) {
            found.push(format!("{stock}: {reserved} of {on_hand} reserved"));
        }
    }
    Ok(found)
}
