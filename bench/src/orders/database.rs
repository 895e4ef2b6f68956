use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection, query_as, query_scalar};
use system_tests::{Service, Shop};

/// What the databases of a shop have done up to a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    transactions: i64,
    wal_bytes: i64,
    syncs: i64,
    /// By database and statement. Empty where the server doesn't count them.
    statements: BTreeMap<(String, String), Statement>,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default)]
struct Statement {
    calls: i64,
    rows: i64,
    blocks: i64,
    milliseconds: f64,
}

/// What the databases did for an order.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WorkPerOrder {
    pub(super) transactions: f64,
    pub(super) wal_bytes: f64,
    /// Of the write-ahead log.
    pub(super) syncs: f64,
    /// Statements sent, those that begin and end transactions included: each is a round trip.
    pub(super) round_trips: Option<f64>,
    /// Without those that begin and end transactions.
    pub(super) statements: Option<f64>,
    /// Those that took most of the server's time first.
    pub(super) by_statement: Vec<StatementPerOrder>,
}

/// What one statement did for an order.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StatementPerOrder {
    pub(super) service: String,
    pub(super) statement: String,
    pub(super) calls: f64,
    pub(super) rows: f64,
    /// Looked at, whether they were in memory or not.
    pub(super) blocks: f64,
    pub(super) microseconds: f64,
}

/// How many statements are told of one by one.
const TOLD: usize = 40;

/// A connection to the server that the databases of a shop are on.
pub(super) struct Ledger {
    connection: PgConnection,
    /// By database.
    services: BTreeMap<String, &'static str>,
}

impl Ledger {
    pub(super) async fn open(shop: &Shop) -> Result<Self> {
        let mut services = BTreeMap::new();
        for service in Service::WITH_DATABASE {
            let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
            services.insert(
                query_scalar("SELECT current_database()::text").fetch_one(&mut connection).await?,
                service.name(),
            );
            connection.close().await?;
        }
        let mut connection = PgConnection::connect(shop.database(Service::Order)?.url()).await?;
        // There if the server has loaded it.
        let _ = sqlx::query("CREATE EXTENSION pg_stat_statements").execute(&mut connection).await;
        Ok(Self { connection, services })
    }

    /// Writes out what earlier loads have left to be written.
    pub(super) async fn settle(&mut self) -> Result<()> {
        sqlx::query("CHECKPOINT").execute(&mut self.connection).await?;
        Ok(())
    }

    pub(super) async fn work(&mut self) -> Result<Work> {
        let databases: Vec<String> = self.services.keys().cloned().collect();
        let transactions =
            query_scalar("SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname = ANY($1)")
                .bind(&databases)
                .fetch_one(&mut self.connection)
                .await
                .context("pg_stat_database")?;
        let (wal_bytes, syncs) =
            query_as("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, wal_sync FROM pg_stat_wal")
                .fetch_one(&mut self.connection)
                .await
                .unwrap_or_default();
        let rows: Vec<(String, String, i64, i64, i64, f64)> = query_as(
            "SELECT datname::text, query, sum(calls)::bigint, sum(rows)::bigint,
                    sum(shared_blks_hit + shared_blks_read)::bigint, sum(total_exec_time)
             FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
             WHERE datname = ANY($1) AND query NOT IN ('START TRANSACTION', 'ROLLBACK') GROUP BY datname, query",
        )
        .bind(&databases)
        .fetch_all(&mut self.connection)
        .await
        .unwrap_or_default();
        let statements = rows.into_iter().map(|(database, query, calls, rows, blocks, milliseconds)| {
            let service = self.services.get(&database).copied().unwrap_or_default().to_owned();
            ((service, query), Statement { calls, rows, blocks, milliseconds })
        });
        Ok(Work { transactions, wal_bytes, syncs, statements: statements.collect() })
    }
}

impl Work {
    /// What was done between `before` and this, for each of so many orders.
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 statements")]
    pub(super) fn since(&self, before: &Self, orders: f64) -> WorkPerOrder {
        let per_order = |after: i64, before: i64| (after - before) as f64 / orders;
        let mut by_statement: Vec<StatementPerOrder> = self
            .statements
            .iter()
            .map(|((service, statement), after)| {
                let before = before.statements.get(&(service.clone(), statement.clone()));
                let before = before.copied().unwrap_or_default();
                StatementPerOrder {
                    service: service.clone(),
                    statement: statement.split_whitespace().collect::<Vec<_>>().join(" "),
                    calls: per_order(after.calls, before.calls),
                    rows: per_order(after.rows, before.rows),
                    blocks: per_order(after.blocks, before.blocks),
                    microseconds: (after.milliseconds - before.milliseconds) * 1e3 / orders,
                }
            })
            .filter(|statement| statement.calls > 0.0)
            .collect();
        by_statement.sort_by(|a, b| b.microseconds.total_cmp(&a.microseconds));
        let counted = !by_statement.is_empty();
        let sum = |wanted: fn(&&StatementPerOrder) -> bool| {
            counted.then(|| by_statement.iter().filter(wanted).map(|statement| statement.calls).sum())
        };
        let (round_trips, statements) =
            (sum(|_| true), sum(|statement| !ends_or_begins(&statement.statement)));
        by_statement.truncate(TOLD);
        WorkPerOrder {
            transactions: per_order(self.transactions, before.transactions),
            wal_bytes: per_order(self.wal_bytes, before.wal_bytes),
            syncs: per_order(self.syncs, before.syncs),
            round_trips,
            statements,
            by_statement,
        }
    }
}

fn ends_or_begins(statement: &str) -> bool {
    ["BEGIN", "COMMIT"].iter().any(|word| statement.starts_with(word))
}
