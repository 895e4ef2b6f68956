//! pgbench on the same server: an order in one round trip and one transaction, without services, events or payment.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, query};
use testkit::empty_database;

use super::load::Order;

/// What pgbench came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reference {
    pub(super) round: usize,
    pub(super) clients: usize,
    pub(super) order: Order,
    /// Nothing where pgbench isn't installed.
    pub(super) orders_per_second: Option<f64>,
}

const TABLES: &str = "
CREATE TABLE books (id int PRIMARY KEY, stock bigint NOT NULL CHECK (stock >= 0), price bigint NOT NULL);
INSERT INTO books SELECT id, 1000000000, 1 FROM generate_series(1, 10000) AS id;
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE order_lines (order_id bigint NOT NULL REFERENCES orders (id), book int NOT NULL, price bigint NOT NULL,
    PRIMARY KEY (order_id, book));
CREATE FUNCTION place(customer int, VARIADIC wanted int[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    placed bigint;
    one int;
BEGIN
    INSERT INTO orders (customer) VALUES (customer) RETURNING id INTO placed;
    -- Everybody in the same order, or two would wait for each other.
    FOR one IN SELECT DISTINCT book FROM unnest(wanted) AS book ORDER BY book LOOP
        UPDATE books SET stock = stock - 1 WHERE id = one AND stock >= 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'sold out';
        END IF;
        INSERT INTO order_lines SELECT placed, id, price FROM books WHERE id = one;
    END LOOP;
    RETURN placed;
END
$$;
ANALYZE;";

pub(super) async fn measure(
    round: usize,
    clients: usize,
    order: &Order,
    length: Duration,
) -> Result<Reference> {
    let order = *order;
    let Some(pgbench) = find() else {
        return Ok(Reference { round, clients, order, orders_per_second: None });
    };
    let database = empty_database().await?;
    database.execute(TABLES).await?;
    database.execute("CHECKPOINT").await?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("place.sql");
    fs::write(&script, text(&order))?;
    let mut command = Command::new(pgbench);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--client", &clients.to_string()])
        .args(["--jobs", &clients.min(crate::cores()).to_string()])
        .args(["--time", &length.as_secs().max(1).to_string(), "--file"])
        .arg(&script)
        .arg(database.url());
    let output = tokio::task::spawn_blocking(move || command.output()).await?.context("pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    drop_database(database.url()).await?;
    // tps = 1234.567890 (without initial connection time)
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    Ok(Reference { round, clients, order, orders_per_second: Some(rate.context("pgbench told no rate")?) })
}

/// Nobody pays for the cleaning up of what others have left.
async fn drop_database(url: &str) -> Result<()> {
    let (server, name) = url.rsplit_once('/').context("no database in the address")?;
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await?;
    // A name of the testkit's.
    query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

fn text(order: &Order) -> String {
    let book = |line| if order.hot && line == 0 { "1" } else { "random(2, 10000)" };
    let chosen: Vec<String> =
        (0..order.lines).map(|line| format!("\\set b{line} {}\n", book(line))).collect();
    let books: Vec<String> = (0..order.lines).map(|line| format!(":b{line}")).collect();
    format!(
        "\\set customer random(1, 64)\n{}SELECT place(:customer, {});\n",
        chosen.concat(),
        books.join(", ")
    )
}

fn find() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")?;
    let debian = (15..=20).rev().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    debian
        .chain(std::env::split_paths(&on_path))
        .map(|folder| folder.join("pgbench"))
        .find(|path| path.exists())
}
