//! All that the services know, row by row.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{Service, Shop};

/// What follows the broker and is no business of anybody else's: where the stream has a row, and which stream it was
/// at the notification service's first start.
const OF_THE_BROKER: [(&str, &str); 2] = [("outbox", "stream_sequence"), ("first_start", "incarnation")];
/// Whose rows go by themselves in time: what order asks identity for once more, two minutes later.
const MAY_GO: [&str; 1] = ["refreshes"];
/// How many differences are told of each table.
const TOLD: usize = 3;

/// The rows of every table of every service.
#[derive(Debug)]
pub(crate) struct Digest(BTreeMap<(&'static str, String), Vec<String>>);

impl Digest {
    pub(crate) async fn of(shop: &Shop) -> Result<Self> {
        let mut tables = BTreeMap::new();
        for service in Service::WITH_DATABASE {
            let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
            let names: Vec<(String, String)> = sqlx::query_as(
                "SELECT table_schema, table_name FROM information_schema.tables
                 WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
            )
            .fetch_all(&mut connection)
            .await?;
            for (schema, table) in names {
                let left_out = OF_THE_BROKER.iter().filter(|(of, _)| *of == table);
                let left_out: Vec<&str> = left_out.map(|(_, column)| *column).collect();
                let sql = format!(r#"SELECT (to_jsonb(t) - $1::text[])::text FROM "{schema}"."{table}" t"#);
                let mut rows: Vec<String> =
                    sqlx::query_scalar(AssertSqlSafe(sql)).bind(&left_out).fetch_all(&mut connection).await?;
                rows.sort_unstable();
                tables.insert((service.name(), table), rows);
            }
            connection.close().await?;
        }
        Ok(Self(tables))
    }

    /// Fails with what is there now and was not, and with what was and is no longer.
    pub(crate) fn is_still(&self, now: &Self, after: &str) -> Result<()> {
        let mut told = Vec::new();
        for (table, rows) in &self.0 {
            let others = now.0.get(table).with_context(|| format!("no {table:?}"))?;
            let name = format!("{}.{}", table.0, table.1);
            let may_go = MAY_GO.contains(&table.1.as_str());
            told.extend(missing(rows, others).filter(|_| !may_go).map(|row| format!("- {name}: {row}")));
            told.extend(missing(others, rows).map(|row| format!("+ {name}: {row}")));
            let same_number = rows.len() == others.len() || may_go;
            ensure!(
                same_number || !told.is_empty(),
                "{after}: {name} had {} rows, {}",
                rows.len(),
                others.len()
            );
        }
        ensure!(told.is_empty(), "{after} changed what the services know:\n{}", told.join("\n"));
        Ok(())
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// The first of those that are here and not there; both are sorted.
fn missing<'a>(here: &'a [String], there: &'a [String]) -> impl Iterator<Item = &'a String> {
    here.iter().filter(|row| there.binary_search(row).is_err()).take(TOLD)
}
