//! How Postgres would answer a statement, for tests of what it reads.

use anyhow::{Context as _, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};

/// Whatever the values are, and for the given ones.
pub(super) const CACHE_MODES: [&str; 2] = ["force_generic_plan", "force_custom_plan"];

pub(super) async fn plan(db: &DatabaseConnection, page: Statement, cache_mode: &str) -> Result<String> {
    let values = page.values.context("no values")?.0;
    let places: Vec<_> = (1..=values.len()).map(|place| format!("${place}")).collect();
    let tx = db.begin().await?;
    tx.execute_unprepared(&format!("SET LOCAL plan_cache_mode = {cache_mode}")).await?;
    tx.execute_unprepared(&format!("PREPARE page AS {}", page.sql)).await?;
    let explain = format!("EXPLAIN EXECUTE page ({})", places.join(", "));
    let explain = Statement::from_sql_and_values(DbBackend::Postgres, explain, values).to_string();
    let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await?;
    tx.execute_unprepared("DEALLOCATE page").await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(lines?.join("\n"))
}
