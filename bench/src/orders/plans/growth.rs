//! Rows as a shop of some age has them: copies of those that are there, under other ids and from longer ago.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, query_scalar};
use system_tests::{Service, Shop};

/// Which rows grow together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Books,
    Customers,
    Orders,
    /// What is kept for a week or a month only.
    Notes,
}

/// A table, and what a copied row has otherwise than its original.
struct Table {
    service: Service,
    name: &'static str,
    kind: Kind,
    /// Which rows are copied.
    wanted: &'static str,
    /// Ids: the same original and copy make the same id, whatever the table.
    ids: &'static [&'static str],
    /// Texts that are unique.
    texts: &'static [&'static str],
    /// Digests that are unique, of 32 bytes.
    digests: &'static [&'static str],
    times: &'static [&'static str],
    /// Columns and what they are.
    others: &'static [(&'static str, &'static str)],
    /// Counted by the database.
    omitted: &'static [&'static str],
}

impl Table {
    const fn of(service: Service, kind: Kind, name: &'static str) -> Self {
        Self {
            service,
            name,
            kind,
            wanted: "true",
            ids: &[],
            texts: &[],
            digests: &[],
            times: &[],
            others: &[],
            omitted: &[],
        }
    }

    const fn outbox(service: Service) -> Self {
        Self {
            wanted: "stream_sequence IS NOT NULL",
            ids: &["event_id"],
            times: &["created_at", "first_published_at"],
            // Before all that the stream has.
            others: &[("stream_sequence", "-abs(stream_sequence) - copy * 10000000")],
            omitted: &["id"],
            ..Self::of(service, Kind::Notes, "outbox")
        }
    }

    const fn inbox(service: Service) -> Self {
        Self { ids: &["event_id"], times: &["handled_at"], ..Self::of(service, Kind::Notes, "inbox") }
    }
}

const TABLES: [Table; 26] = [
    Table {
        ids: &["id", "reservation_id", "placed_event", "user_id"],
        texts: &["request_id"],
        times: &["created_at", "updated_at"],
        others: &[("state", "'DELIVERED'")],
        wanted: "state IN ('CONFIRMED', 'DELIVERED')",
        ..Table::of(Service::Order, Kind::Orders, "orders")
    },
    Table { ids: &["order_id"], times: &["at"], ..Table::of(Service::Order, Kind::Orders, "order_history") },
    Table {
        ids: &["order_id"],
        times: &["created_at"],
        others: &[
            ("state", "'DELIVERED'"),
            ("tracking_number", "'1Z'"),
            ("carrier", "'UPS'"),
            ("shipped_at", "now()"),
            ("delivered_at", "now()"),
        ],
        ..Table::of(Service::Order, Kind::Orders, "shipments")
    },
    Table::outbox(Service::Order),
    Table::inbox(Service::Order),
    Table {
        ids: &["id"],
        texts: &["title"],
        digests: &["identity"],
        ..Table::of(Service::Inventory, Kind::Books, "works")
    },
    Table { ids: &["id", "work_id"], ..Table::of(Service::Inventory, Kind::Books, "editions") },
    Table {
        ids: &["id", "edition_id"],
        texts: &["request_id"],
        ..Table::of(Service::Inventory, Kind::Books, "offers")
    },
    Table { ids: &["offer_id"], ..Table::of(Service::Inventory, Kind::Books, "stock") },
    Table {
        ids: &["offer_id"],
        times: &["moved_at"],
        wanted: "kind = 'INITIAL'",
        omitted: &["id"],
        ..Table::of(Service::Inventory, Kind::Books, "stock_movements")
    },
    Table {
        ids: &["reservation_id"],
        times: &["moved_at"],
        wanted: "kind = 'SOLD'",
        omitted: &["id"],
        ..Table::of(Service::Inventory, Kind::Orders, "stock_movements")
    },
    Table {
        ids: &["id"],
        texts: &["key"],
        times: &["expires_at", "created_at", "updated_at"],
        wanted: "state = 'COMMITTED'",
        ..Table::of(Service::Inventory, Kind::Orders, "reservations")
    },
    Table::inbox(Service::Inventory),
    Table {
        ids: &["id", "user_id"],
        wanted: "kind = 'WALLET'",
        ..Table::of(Service::Payment, Kind::Customers, "accounts")
    },
    Table {
        ids: &["id", "user_id"],
        texts: &["request_id"],
        ..Table::of(Service::Payment, Kind::Customers, "cards")
    },
    Table {
        ids: &["id", "order_id", "user_id"],
        times: &["created_at", "updated_at"],
        ..Table::of(Service::Payment, Kind::Orders, "payments")
    },
    Table {
        ids: &["id", "order_id", "debit_account"],
        times: &["created_at"],
        wanted: "kind = 'CAPTURE'",
        ..Table::of(Service::Payment, Kind::Orders, "transfers")
    },
    Table::outbox(Service::Payment),
    Table::inbox(Service::Payment),
    Table {
        ids: &["id", "event_id", "user_id"],
        times: &["created_at", "sent_at"],
        wanted: "state = 'SENT'",
        ..Table::of(Service::Notification, Kind::Notes, "deliveries")
    },
    Table::inbox(Service::Notification),
    Table {
        ids: &["id", "default_address_id"],
        texts: &["email", "email_canonical", "request_id"],
        times: &["created_at"],
        ..Table::of(Service::Identity, Kind::Customers, "users")
    },
    Table {
        ids: &["id", "user_id"],
        texts: &["request_id"],
        times: &["created_at"],
        ..Table::of(Service::Identity, Kind::Customers, "addresses")
    },
    Table { ids: &["user_id"], ..Table::of(Service::Identity, Kind::Customers, "user_roles") },
    Table {
        ids: &["id", "user_id"],
        times: &["created_at"],
        ..Table::of(Service::Identity, Kind::Customers, "sessions")
    },
    Table::outbox(Service::Identity),
];

/// Makes copies until there are about so many books and orders, a tenth as many customers, and a tenth of the events.
pub(super) async fn grow(shop: &Shop, rows: i64) -> Result<()> {
    let growing = Service::WITH_DATABASE.map(|service| async move {
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        prepare(&mut connection, rows).await?;
        for table in TABLES.iter().filter(|table| table.service == service) {
            let originals = format!("SELECT count(*) FROM {} WHERE {}", table.name, table.wanted);
            let there: i64 = query_scalar(AssertSqlSafe(originals)).fetch_one(&mut connection).await?;
            let wanted = match table.kind {
                Kind::Books | Kind::Orders => rows,
                Kind::Customers | Kind::Notes => rows / 10,
            };
            let copies = (wanted / there.max(1)).saturating_sub(1);
            if there > 0 && copies > 0 {
                copy(&mut connection, table, copies, rows)
                    .await
                    .with_context(|| format!("{}: {}", service.name(), table.name))?;
            }
        }
        connection.execute("VACUUM ANALYZE").await?;
        connection.close().await?;
        anyhow::Ok(())
    });
    try_join_all(growing).await?;
    Ok(())
}

async fn prepare(connection: &mut PgConnection, growth: i64) -> Result<()> {
    connection
        .execute(AssertSqlSafe(format!(
            // What is copied was checked when it was written.
            "SET session_replication_role = replica;
             SET synchronous_commit = off;
             SET maintenance_work_mem = '256MB';
             -- One expression, so that it becomes part of the statement.
             CREATE OR REPLACE FUNCTION pg_temp.aged(id uuid, copy bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
                 SELECT (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - copy * 60000), 12, '0')
                         || '7' || left(md5(id::text || copy || ' {growth}'), 3)
                         || '8' || right(md5(id::text || copy || ' {growth}'), 15))::uuid
             $$",
        )))
        .await?;
    Ok(())
}

/// Each growth makes other copies.
async fn copy(connection: &mut PgConnection, table: &Table, copies: i64, growth: i64) -> Result<()> {
    let columns: Vec<String> = query_scalar(
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'
         ORDER BY ordinal_position",
    )
    .bind(table.name)
    .fetch_all(&mut *connection)
    .await?;
    let columns: Vec<&str> =
        columns.iter().map(String::as_str).filter(|column| !table.omitted.contains(column)).collect();
    let values: Vec<String> = columns.iter().map(|column| table.value(column, growth)).collect();
    let copying = format!(
        "INSERT INTO {name} ({columns}) SELECT {values} FROM {name}, generate_series(1::bigint, {copies}) AS copy WHERE {wanted}",
        name = table.name,
        columns = columns.join(", "),
        values = values.join(", "),
        wanted = table.wanted,
    );
    connection.execute(AssertSqlSafe(copying)).await?;
    Ok(())
}

impl Table {
    fn value(&self, column: &str, growth: i64) -> String {
        if self.ids.contains(&column) {
            format!("pg_temp.aged({column}, copy)")
        } else if self.texts.contains(&column) {
            format!("left({column}, 24) || md5({column} || copy || ' {growth}')")
        } else if self.digests.contains(&column) {
            format!("decode(md5({column} || copy::text::bytea) || md5(copy || ' {growth}'), 'hex')")
        } else if self.times.contains(&column) {
            format!("{column} - copy * interval '1 minute'")
        } else if let Some((_, value)) = self.others.iter().find(|(other, _)| *other == column) {
            (*value).to_owned()
        } else {
            format!("{}.{column}", self.name)
        }
    }
}
