use std::collections::HashMap;

use anyhow::{Context, Result};
use testkit::{Broker, Gate};

use crate::{Service, directory::Directory};

/// Gates on the ways to services and to the broker.
#[derive(Debug)]
pub(crate) struct Links {
    services: HashMap<Service, Gate>,
    broker: Gate,
    broker_url: String,
}

impl Links {
    /// Of a shop with one replica of each service: gates have no names.
    pub(crate) async fn of(directory: &Directory, broker: &Broker) -> Result<Self> {
        let mut services = HashMap::new();
        for service in Service::WITH_DATABASE {
            let address = directory.address(service.into())?;
            services.insert(service, Gate::to(&address.to_string()).await?);
        }
        let (broker, broker_url) = Gate::before(broker.url()).await?;
        Ok(Self { services, broker, broker_url })
    }

    pub(crate) fn to(&self, service: Service) -> Result<&Gate> {
        self.services.get(&service).with_context(|| format!("no gate before {}", service.name()))
    }

    /// For a `…_TARGET`.
    pub(crate) fn target(&self, service: Service) -> Result<String> {
        Ok(format!("ipv4:{}", self.to(service)?.address()))
    }

    pub(crate) const fn broker(&self) -> &Gate {
        &self.broker
    }

    pub(crate) fn broker_url(&self) -> &str {
        &self.broker_url
    }
}
