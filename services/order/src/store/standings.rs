//! How many orders stand where.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use crate::domain::State;

/// Above this it isn't worth counting: more than so many are a crowd anyway.
const ENOUGH: u64 = 10_000;

/// The states in which somebody has still to do something.
const UNDER_WAY: [State; 5] =
    [State::Pending, State::Confirmed, State::PartiallyShipped, State::Shipped, State::ReturnRequested];

#[derive(FromQueryResult)]
struct Row {
    state: String,
    orders: i64,
}

#[derive(FromQueryResult)]
struct Oldest {
    seconds: f64,
}

/// How many orders are in each state of those under way, up to 10,000. Reads so many entries of the indices on states.
pub(crate) async fn under_way(db: &impl ConnectionTrait) -> Result<Vec<(String, u64)>, DbErr> {
    // A state for each statement: only a constant lets the planner use indices of some states alone.
    let counts = UNDER_WAY.map(|state| {
        let name = state.name();
        format!(
            "SELECT '{name}' AS state, count(*) AS orders
             FROM (SELECT FROM orders WHERE state = '{name}' LIMIT {ENOUGH}) AS counted"
        )
    });
    let statement = Statement::from_string(DbBackend::Postgres, counts.join(" UNION ALL "));
    let rows = Row::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.state, row.orders.unsigned_abs())).collect())
}

/// For how long the oldest of all PENDING orders has been so; nothing if none is.
pub(crate) async fn oldest_pending(db: &impl ConnectionTrait) -> Result<Duration, DbErr> {
    // Ids are as old as what they name.
    let oldest = "SELECT extract(epoch FROM now() - created_at)::float8 AS seconds
                  FROM orders WHERE state = 'PENDING' ORDER BY id LIMIT 1";
    let row = Oldest::find_by_statement(Statement::from_string(DbBackend::Postgres, oldest)).one(db).await?;
    Ok(row.and_then(|row| Duration::try_from_secs_f64(row.seconds).ok()).unwrap_or_default())
}
