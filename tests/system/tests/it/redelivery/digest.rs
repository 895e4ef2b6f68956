//! All that the services know, row by row.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{Service, Shop};

/// What follows the broker and is no business of anybody else's: where the stream has a row, and which stream it was
/// at the notification service's first start.
const OF_THE_BROKER: [(&str, &str); 2] = [("outbox", "stream_sequence"), ("first_start", "incarnation")];
/// How many differences are told of each table.
const TOLD: usize = 3;

/// The rows of every table of every service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest(BTreeMap<(&'static str, String), Vec<String>>);

impl Digest {
    pub(super) async fn of(shop: &Shop) -> Result<Self> {
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
                let mut rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                    .bind(&left_out)
                    .fetch_all(&mut connection)
                    .await?;
                rows.sort_unstable();
                tables.insert((service.name(), table), rows);
            }
            connection.close().await?;
        }
        Ok(Self(tables))
    }

    /// Fails with what is there now and was not, and with what was and is no longer.
    pub(super) fn is_still(&self, now: &Self, after: &str) -> Result<()> {
        let mut told = Vec::new();
        for (table, rows) in &self.0 {
            let others = now.0.get(table).map_or(&[][..], Vec::as_slice);
            let only = |these: &[String], those: &[String], mark: &str| {
                let missing = these.iter().filter(|row| those.binary_search(row).is_err());
                let told = missing.take(TOLD).map(|row| format!("{mark} {}.{}: {row}", table.0, table.1));
                told.collect::<Vec<_>>()
            };
            told.extend(only(rows, others, "-"));
            told.extend(only(others, rows, "+"));
        }
        ensure!(told.is_empty() && self == now, "{after} changed what the services know:\n{}", told.join("\n"));
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}
