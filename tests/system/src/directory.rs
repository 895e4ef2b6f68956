use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testkit::Dns;

use crate::{Replica, Service};

/// How long an answer of the shop's own DNS server is good for.
const TTL: Duration = Duration::from_secs(1);

/// Where the services of a shop are found: by name if they have replicas, each on an address of its own.
#[derive(Debug)]
pub(crate) struct Directory {
    addresses: BTreeMap<Replica, SocketAddr>,
    dns: Option<Dns>,
}

impl Directory {
    /// Addresses for so many replicas of every service.
    pub(crate) async fn of(replicas: usize) -> Result<Self> {
        let mut addresses = BTreeMap::new();
        for service in Service::ALL {
            // Of a service's replicas address records tell no ports.
            let port = localservers::free_port()?;
            for number in 0..replicas {
                let ip = Ipv4Addr::new(127, 0, 0, u8::try_from(number + 1)?);
                addresses.insert(service.replica(number), SocketAddr::from((ip, port)));
            }
        }
        let dns = if replicas > 1 { Some(Dns::start().await?) } else { None };
        let directory = Self { addresses, dns };
        if directory.dns.is_some() {
            for service in Service::ALL {
                directory.list(service, directory.all(service).iter().map(SocketAddr::ip))?;
            }
        }
        Ok(directory)
    }

    /// Every replica and where it answers.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = (Replica, SocketAddr)> {
        self.addresses.iter().map(|(replica, address)| (*replica, *address))
    }

    /// Where the replicas of a service answer.
    pub(crate) fn all(&self, service: Service) -> Vec<SocketAddr> {
        self.replicas()
            .filter(|(replica, _)| replica.service == service)
            .map(|(_, address)| address)
            .collect()
    }

    /// Where a replica answers.
    pub(crate) fn address(&self, replica: Replica) -> Result<SocketAddr> {
        self.addresses.get(&replica).copied().with_context(|| format!("no {replica}"))
    }

    /// For a `…_TARGET`.
    pub(crate) fn target(&self, service: Service) -> Result<String> {
        match (&self.dns, self.all(service).as_slice()) {
            (_, []) => bail!("no {}", service.name()),
            (None, [only]) => Ok(format!("ipv4:{only}")),
            (None, _) => bail!("{} has replicas, but no name", service.name()),
            (Some(dns), [first, ..]) => Ok(dns.target(service.name(), first.port())),
        }
    }

    /// From now on a service's name leads there and nowhere else.
    pub(crate) fn list(&self, service: Service, addresses: impl IntoIterator<Item = IpAddr>) -> Result<()> {
        let dns = self.dns.as_ref().context("a shop without replicas has no names")?;
        dns.set(service.name(), addresses, TTL);
        Ok(())
    }
}
