//! Addresses that somebody wrote down.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::{Found, Replicas};

pub(super) fn replicas(addresses: Vec<SocketAddr>) -> Replicas {
    watch::channel(Some(Found::anywhere(addresses))).1
}
