//! What must be true of the databases, read from behind the services' backs.
//!
//! Each violation is a line that names what it is about by its id.

mod events;
mod facts;
mod money;
mod orders;
mod service;
mod stock;

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;
use values::OrderId;

use facts::Facts;
pub use service::Service;

/// Which orders are looked at.
#[derive(Debug)]
pub struct Scope {
    /// Orders that the shop has answered with OK.
    placed: HashSet<Uuid>,
    /// Whether all others are looked at too.
    everything: bool,
}

impl Scope {
    /// All orders; these, which the shop has answered with OK, must be among them.
    ///
    /// # Errors
    /// One is no id of an order.
    pub fn everything(placed: &[String]) -> Result<Self> {
        Ok(Self { everything: true, ..Self::only(placed)? })
    }

    /// These orders, which the shop has answered with OK.
    ///
    /// # Errors
    /// One is no id of an order.
    pub fn only(placed: &[String]) -> Result<Self> {
        let ids = placed.iter().map(|id| Ok(id.parse::<OrderId>()?.uuid()));
        Ok(Self { placed: ids.collect::<Result<_>>()?, everything: false })
    }

    fn contains(&self, order: Uuid) -> bool {
        self.everything || self.placed.contains(&order)
    }
}

/// Connections past every gate.
struct Books {
    connections: HashMap<Service, PgConnection>,
}

impl Books {
    async fn open(databases: &HashMap<Service, String>) -> Result<Self> {
        let mut connections = HashMap::new();
        for (service, url) in databases {
            connections.insert(*service, PgConnection::connect(url).await?);
        }
        Ok(Self { connections })
    }

    fn of(&mut self, service: Service) -> Result<&mut PgConnection> {
        self.connections.get_mut(&service).with_context(|| format!("no database of {}", service.name()))
    }

    async fn close(self) -> Result<()> {
        for connection in self.connections.into_values() {
            connection.close().await?;
        }
        Ok(())
    }
}

/// What is not as it must be once all is quiet, in the databases at these URLs.
pub async fn violations(databases: &HashMap<Service, String>, scope: &Scope) -> Result<Vec<String>> {
    let mut books = Books::open(databases).await?;
    let mut found = stock::violations(books.of(Service::Inventory)?).await?;
    found.extend(money::violations(books.of(Service::Payment)?).await?);
    let facts = Facts::read(&mut books).await?;
    found.extend(orders::violations(&facts, scope));
    found.extend(events::violations(&mut books, scope).await?);
    books.close().await?;
    Ok(found)
}
