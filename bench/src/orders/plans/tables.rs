use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection, query_as};
use system_tests::{Service, Shop};

/// A table smaller than this may be read whole: that is a few pages.
const SMALL: i64 = 2_000;
/// Sessions tell the server what they have read up to ten seconds after they have gone quiet.
const TOLD_AFTER: Duration = Duration::from_secs(11);

/// What was read of each table up to a moment, by service and name.
pub(super) type Reads = BTreeMap<(&'static str, String), Read>;

/// What was read of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    rows: i64,
    in_sequence: i64,
    by_index: i64,
}

/// What was read of a table for an order.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReadPerOrder {
    pub(super) service: &'static str,
    pub(super) table: String,
    /// How many it has.
    pub(super) rows: i64,
    /// Rows read from one end to the other, whether wanted or not.
    pub(super) in_sequence: f64,
    /// Rows that an index led to.
    pub(super) by_index: f64,
}

/// What was read so far.
pub(super) async fn read(shop: &Shop) -> Result<Reads> {
    tokio::time::sleep(TOLD_AFTER).await;
    let mut reads = Reads::new();
    for service in Service::WITH_DATABASE {
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        let rows: Vec<(String, i64, i64, i64)> = query_as(
            "SELECT relname::text, n_live_tup, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        for (table, rows, in_sequence, by_index) in rows {
            reads.insert((service.name(), table), Read { rows, in_sequence, by_index });
        }
    }
    Ok(reads)
}

/// What was read between `before` and `after` for each of so many orders, of tables that aren't small.
pub(super) fn per_order(before: &Reads, after: &Reads, orders: f64) -> Vec<ReadPerOrder> {
    #[expect(clippy::cast_precision_loss, reason = "nobody reads 2^52 rows")]
    let per_order = |after: i64, before: i64| (after - before) as f64 / orders;
    let mut reads: Vec<ReadPerOrder> = after
        .iter()
        .filter(|(_, after)| after.rows >= SMALL)
        .map(|((service, table), after)| {
            let before = before.get(&(service, table.clone())).copied().unwrap_or_default();
            ReadPerOrder {
                service,
                table: table.clone(),
                rows: after.rows,
                in_sequence: per_order(after.in_sequence, before.in_sequence),
                by_index: per_order(after.by_index, before.by_index),
            }
        })
        .filter(|read| read.in_sequence > 0.0 || read.by_index > 0.0)
        .collect();
    reads.sort_by(|a, b| (b.in_sequence + b.by_index).total_cmp(&(a.in_sequence + a.by_index)));
    reads
}
