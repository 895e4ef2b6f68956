//! Ports for servers that must come back on the same one.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

const LOWEST: u32 = 12_000;

/// A port of 127.0.0.1 that nobody listens on, for a server that is yet to be started; as [`listener`] has it.
///
/// A process that is being started at this moment may keep the port for some milliseconds more. Who listens in this
/// process therefore takes the [`listener`].
pub fn free_port() -> Result<u16> {
    Ok(listener()?.local_addr()?.port())
}

/// Listens on a free port of 127.0.0.1, from below the range that the system hands out to clients.
///
/// From that range, a client that keeps trying to reach a stopped server could be given the server's own port, and
/// would then talk to itself.
pub fn listener() -> Result<TcpListener> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = ephemeral_start().clamp(LOWEST + 1_000, 65_000) - LOWEST;
    // Processes that start together begin at different places.
    let start = process::id().wrapping_mul(997);
    for _ in 0..range {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(LOWEST + start.wrapping_add(step) % range)?;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    None.context("no free port")
}

fn ephemeral_start() -> u32 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_handed_out_once() {
        let mut ports: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| u32::from(*port) < ephemeral_start()));
    }
}
