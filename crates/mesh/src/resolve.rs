//! Where a service's replicas are at the moment.
//!
//! What finds them keeps a [`Replicas`] up to date until nobody looks at it any more, and is told through [`Doubts`] when
//! a connection was lost. A watch of the Kubernetes API would be one more file beside these.

mod dns;
mod fixed;

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::{Notify, watch};

use crate::{Target, dice::Dice};

/// Nothing until the first look has ended.
pub(crate) type Replicas = watch::Receiver<Option<Vec<SocketAddr>>>;

/// Says that the present replicas may not be right any more.
pub(crate) type Doubts = Arc<Notify>;

/// Begins to look; inside a Tokio runtime.
pub(crate) fn follow(target: &Target, dice: Arc<Dice>, doubts: &Doubts) -> Replicas {
    match target {
        Target::Ipv4(addresses) => fixed::replicas(addresses.clone()),
        Target::Dns { server, host, port } => match host.parse() {
            Ok(ip) => fixed::replicas(vec![SocketAddr::new(ip, *port)]),
            Err(_) => dns::follow(*server, host.clone(), *port, dice, doubts.clone()),
        },
    }
}
