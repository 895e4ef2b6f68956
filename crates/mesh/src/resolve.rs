//! Where a service's replicas are at the moment.
//!
//! What finds them keeps a [`Replicas`] up to date until nobody looks at it any more, and is told through [`Doubts`] when
//! a connection was lost.

mod dns;
mod fixed;
pub(crate) mod kubernetes;
mod trouble;

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::{Notify, watch};

use self::kubernetes::Kubernetes;
use crate::{Target, dice::Dice, metrics::Metrics};

/// Nothing until the first look has ended.
pub(crate) type Replicas = watch::Receiver<Option<Found>>;

/// Says that the present replicas may not be right any more.
pub(crate) type Doubts = Arc<Notify>;

/// Who takes calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) replicas: Vec<Replica>,
    /// Over how many zones they are spread.
    pub(crate) zones: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    /// In this process's own zone, or nobody knows.
    pub(crate) is_near: bool,
}

impl Found {
    /// Nothing is known of zones.
    fn anywhere(addresses: Vec<SocketAddr>) -> Self {
        let replicas = addresses.into_iter().map(|address| Replica { address, is_near: true });
        Self { replicas: replicas.collect(), zones: 1 }
    }
}

/// What those who look for replicas have in common.
pub(crate) struct Search {
    pub(crate) dice: Arc<Dice>,
    pub(crate) doubts: Doubts,
    pub(crate) metrics: Metrics,
    pub(crate) kubernetes: Kubernetes,
}

/// Begins to look; inside a Tokio runtime.
pub(crate) fn follow(target: &Target, search: Search) -> Replicas {
    match target {
        Target::Ipv4(addresses) => fixed::replicas(addresses.clone()),
        Target::Dns { server, host, port } => match host.parse() {
            Ok(ip) => fixed::replicas(vec![SocketAddr::new(ip, *port)]),
            Err(_) => dns::follow(*server, host.clone(), *port, search),
        },
        Target::Kubernetes { service, namespace, port } => {
            let service = kubernetes::Service { name: service.clone(), namespace: namespace.clone() };
            kubernetes::follow(service, port.clone(), search)
        }
    }
}
