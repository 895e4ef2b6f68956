//! A gateway before services of the test's own.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser as _;
use gateway::{Config, Gateway};
use proto::{
    inventory::v1::inventory_service_client::InventoryServiceClient,
    order::v1::order_service_client::OrderServiceClient,
};
use server::config::Mesh;
use testkit::Running;
use tonic::transport::Channel;

/// A running gateway.
pub(crate) struct Door {
    running: Running,
}

/// A gateway whose services are all at `target`, configured further by `change`.
pub(crate) async fn gateway(target: &str, change: impl FnOnce(&mut Config)) -> Result<Door> {
    let mut config = Config::try_parse_from(["gateway"])?;
    let target: mesh::Target = target.parse()?;
    config.identity_target = target.clone();
    config.inventory_target = target.clone();
    config.order_target = target.clone();
    config.payment_target = target.clone();
    config.notification_target = target;
    // The services of these tests have no certificates.
    config.base.mesh = Mesh::Off;
    change(&mut config);
    Ok(Door { running: testkit::running_front::<Gateway>(config).await? })
}

impl Door {
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.running.stop().await
    }

    pub(crate) fn channel(&self) -> Result<Channel> {
        self.running.channel()
    }

    pub(crate) fn orders(&self) -> Result<OrderServiceClient<Channel>> {
        Ok(OrderServiceClient::new(self.channel()?))
    }

    pub(crate) fn inventory(&self) -> Result<InventoryServiceClient<Channel>> {
        Ok(InventoryServiceClient::new(self.channel()?))
    }
}
