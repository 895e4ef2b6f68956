//! Doors on the ways between a shop's parts, and what its parts tell operators.

use anyhow::{Context, Result};
use testkit::Gate;

use super::Shop;
use crate::{Replica, Service, process};

impl Shop {
    /// The door in front of a service's database.
    pub fn gate(&self, service: Service) -> Result<&Gate> {
        self.gates.get(&service).context("the shop was opened without gates")
    }

    /// The door on the way from all services to one of them.
    pub fn link(&self, callee: Service) -> Result<&Gate> {
        self.links.as_ref().context("the shop was opened without links")?.to(callee)
    }

    /// The door on the way from all services to the broker.
    pub fn broker_link(&self) -> Result<&Gate> {
        Ok(self.links.as_ref().context("the shop was opened without links")?.broker())
    }

    /// What a metric of a replica stands at: the sum of all its series that have these labels (`rpc_method="GetOrder"`).
    pub async fn metric(&self, replica: impl Into<Replica>, name: &str, labels: &str) -> Result<f64> {
        let admin = self.process(replica.into(), |process| Ok(process.admin)).await?;
        process::metric(admin, name, labels).await
    }

    /// All that a replica tells of itself at `/metrics`.
    pub async fn metrics(&self, replica: impl Into<Replica>) -> Result<String> {
        let admin = self.process(replica.into(), |process| Ok(process.admin)).await?;
        process::metrics(admin).await
    }

    /// What a replica's health says under a name, on its admin port; `None` if it says nothing of it.
    pub async fn health(&self, replica: impl Into<Replica>, name: &str) -> Result<Option<bool>> {
        let admin = self.process(replica.into(), |process| Ok(process.admin)).await?;
        process::health(admin, name).await
    }
}
