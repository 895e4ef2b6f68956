//! The services' databases, to be read only.

use std::{collections::BTreeMap, collections::VecDeque, str::FromStr as _};

use anyhow::{Context as _, Result};
use sqlx::{
    Connection as _, FromRow, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgRow},
    query, query_as,
};

use crate::{Access, Service};

/// Rows that are held at a time, of each side of a comparison.
pub(crate) const PAGE: i64 = 2_000;

/// One connection to each database, which can't write.
pub(crate) struct Books(BTreeMap<Service, PgConnection>);

impl Books {
    pub(crate) async fn open(access: &Access) -> Result<Self> {
        let mut connections = BTreeMap::new();
        for service in Service::ALL {
            let name = service.name();
            let url =
                access.databases.get(&service).with_context(|| format!("where is {name}'s database?"))?;
            let timeout = access.statement_timeout.as_millis().to_string();
            let options = PgConnectOptions::from_str(url)
                .with_context(|| format!("{name}'s database"))?
                .application_name("bookstore-verify")
                .options([
                    ("default_transaction_read_only", "on"),
                    ("statement_timeout", timeout.as_str()),
                    // A statement reads a page: compiling it takes longer.
                    ("jit", "off"),
                ]);
            let connection = PgConnection::connect_with(&options).await;
            connections.insert(service, connection.with_context(|| format!("{name}'s database"))?);
        }
        Ok(Self(connections))
    }

    /// One moment of a database, for as long as the transaction is open.
    pub(crate) async fn moment(&mut self, service: Service) -> Result<Transaction<'_, Postgres>> {
        begin(self.of(service)?).await
    }

    pub(crate) fn of(&mut self, service: Service) -> Result<&mut PgConnection> {
        self.0.get_mut(&service).with_context(|| format!("no database of {}", service.name()))
    }

    /// Two at a time, to compare what is longer than memory.
    pub(crate) fn two(
        &mut self,
        one: Service,
        other: Service,
    ) -> Result<(&mut PgConnection, &mut PgConnection)> {
        let mut found = (None, None);
        for (service, connection) in &mut self.0 {
            if *service == one {
                found.0 = Some(connection);
            } else if *service == other {
                found.1 = Some(connection);
            }
        }
        found.0.zip(found.1).with_context(|| format!("no databases of {} and {}", one.name(), other.name()))
    }

    pub(crate) async fn close(self) -> Result<()> {
        for connection in self.0.into_values() {
            connection.close().await?;
        }
        Ok(())
    }
}

pub(crate) async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>> {
    Ok(connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
}

/// The rows of a long answer, some at a time, within the transaction that asked.
pub(crate) struct Cursor<T> {
    fetch: &'static str,
    held: VecDeque<T>,
    is_done: bool,
}

impl<T: for<'r> FromRow<'r, PgRow> + Send + Unpin> Cursor<T> {
    /// Of a `DECLARE … NO SCROLL CURSOR FOR …`, and the `FETCH` from it.
    pub(crate) async fn declare(
        tx: &mut PgConnection,
        declare: &'static str,
        fetch: &'static str,
    ) -> Result<Self> {
        query(declare).execute(tx).await?;
        Ok(Self { fetch, held: VecDeque::new(), is_done: false })
    }

    pub(crate) async fn peek(&mut self, tx: &mut PgConnection) -> Result<Option<&T>> {
        if self.held.is_empty() && !self.is_done {
            // Another cursor of this name had other columns.
            self.held = query_as(self.fetch).persistent(false).fetch_all(tx).await?.into();
            self.is_done = self.held.is_empty();
        }
        Ok(self.held.front())
    }

    pub(crate) async fn next(&mut self, tx: &mut PgConnection) -> Result<Option<T>> {
        self.peek(tx).await?;
        Ok(self.held.pop_front())
    }

    /// All that come next and belong together.
    pub(crate) async fn next_while(
        &mut self,
        tx: &mut PgConnection,
        belongs: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>> {
        let mut together = Vec::new();
        while self.peek(tx).await?.is_some_and(&belongs) {
            together.extend(self.held.pop_front());
        }
        Ok(together)
    }
}
