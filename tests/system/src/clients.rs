use std::{collections::HashMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use proto::{
    identity::v1::identity_service_client::IdentityServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    order::v1::order_service_client::OrderServiceClient,
    payment::v1::payment_service_client::PaymentServiceClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::Service;

/// How long a caller waits: a paused process answers nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections to the four services, made when they are first used and made again when they break.
///
/// They belong to the test that makes them: a connection ends with the runtime that drives it.
#[derive(Clone, Debug)]
pub struct Clients {
    channels: HashMap<Service, Channel>,
}

impl Clients {
    pub(crate) fn to(addresses: &HashMap<Service, SocketAddr>) -> Result<Self> {
        let mut channels = HashMap::new();
        for (service, address) in addresses {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            channels.insert(*service, endpoint.timeout(PATIENCE).connect_lazy());
        }
        Ok(Self { channels })
    }

    fn channel(&self, service: Service) -> Result<Channel> {
        self.channels.get(&service).cloned().with_context(|| format!("no {}", service.name()))
    }

    /// To identity.
    pub fn identity(&self) -> Result<IdentityServiceClient<Channel>> {
        Ok(IdentityServiceClient::new(self.channel(Service::Identity)?))
    }

    /// To inventory.
    pub fn inventory(&self) -> Result<InventoryServiceClient<Channel>> {
        Ok(InventoryServiceClient::new(self.channel(Service::Inventory)?))
    }

    /// To order.
    pub fn order(&self) -> Result<OrderServiceClient<Channel>> {
        Ok(OrderServiceClient::new(self.channel(Service::Order)?))
    }

    /// To payment.
    pub fn payment(&self) -> Result<PaymentServiceClient<Channel>> {
        Ok(PaymentServiceClient::new(self.channel(Service::Payment)?))
    }
}
