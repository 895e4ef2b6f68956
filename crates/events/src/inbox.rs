//! Which events a consumer has handled. Written in the transaction of their effects, so that neither is without the
//! other.

use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tracing::{Dispatch, instrument::WithSubscriber as _};
use uuid::Uuid;

/// Longer than the outbox, an outage and the stream together.
const KEEP_DAYS: i32 = 30;

const CHUNK: i64 = 5_000;

/// Takes those of `ids` that are new to `consumer` and says which. One that another transaction is taking is waited
/// for; in the order of the ids, so that two transactions don't wait for each other.
pub(crate) async fn take(
    tx: &impl ConnectionTrait,
    consumer: &str,
    ids: Vec<Uuid>,
) -> Result<Vec<Uuid>, DbErr> {
    if is_off(Guard::Inbox) {
        // Noted all the same: that it was handled is so.
        for id in &ids {
            take_even_buried(tx, consumer, *id).await?;
        }
        return Ok(ids);
    }
    let sql = "INSERT INTO inbox (consumer, event_id)
        SELECT $1, arrived.id FROM unnest($2::uuid[]) AS arrived (id)
        WHERE NOT EXISTS (
            SELECT FROM dead_letters WHERE dead_letters.consumer = $1 AND dead_letters.event_id = arrived.id
        )
        ORDER BY arrived.id
        ON CONFLICT DO NOTHING RETURNING event_id";
    let rows = tx.query_all_raw(statement(sql, consumer, ids)).await?;
    let taken: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "event_id")).collect::<Result<_, _>>()?;
    if taken.is_empty() {
        return Ok(taken);
    }
    // Asked anew: the transaction that was waited for may have given one up and its place in the inbox back, which a
    // statement that began before doesn't see.
    let sql = "DELETE FROM inbox WHERE consumer = $1 AND event_id = ANY(ARRAY(
            SELECT event_id FROM dead_letters WHERE consumer = $1 AND event_id = ANY($2)
        )) RETURNING event_id";
    let rows = tx.query_all_raw(statement(sql, consumer, taken.clone())).await?;
    let buried: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "event_id")).collect::<Result<_, _>>()?;
    Ok(taken.into_iter().filter(|id| !buried.contains(id)).collect())
}

/// Takes one whether it was given up or not: to give it up, or to handle it after all. Whether it is new to `consumer`:
/// another transaction that is taking it is waited for.
pub(crate) async fn take_even_buried(
    tx: &impl ConnectionTrait,
    consumer: &str,
    id: Uuid,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO inbox (consumer, event_id)
        SELECT $1, arrived.id FROM unnest($2::uuid[]) AS arrived (id) ON CONFLICT DO NOTHING";
    Ok(tx.execute_raw(statement(sql, consumer, vec![id])).await?.rows_affected() == 1)
}

/// Gives back what was taken and has had no effect.
pub(crate) async fn give_back(
    tx: &impl ConnectionTrait,
    consumer: &str,
    ids: Vec<Uuid>,
) -> Result<(), DbErr> {
    let sql = "DELETE FROM inbox WHERE consumer = $1 AND event_id = ANY($2)";
    tx.execute_raw(statement(sql, consumer, ids)).await?;
    Ok(())
}

/// Deletes some of what no message can ask for any more. Whether there may be more.
pub(crate) async fn delete_expired(db: &DatabaseConnection) -> Result<bool, DbErr> {
    let sql = "DELETE FROM inbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbox WHERE handled_at < now() - make_interval(days => $1) LIMIT $2))";
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, sql, [KEEP_DAYS.into(), CHUNK.into()]);
    let deleted = db.execute_raw(statement).with_subscriber(Dispatch::none()).await?.rows_affected();
    Ok(deleted == CHUNK.unsigned_abs())
}

fn statement(sql: &str, consumer: &str, ids: Vec<Uuid>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, [consumer.into(), ids.into()])
}
