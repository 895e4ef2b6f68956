//! The fixed ports of a shop on this machine: refused with a name where somebody has them already.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{process::Interrupt, say};

use super::{
    services::{SERVICES, address},
    traces::Traces,
};

/// A closed connection keeps its port for a minute.
const PATIENCE: Duration = Duration::from_secs(75);

/// The ports, kept from being handed to somebody's outgoing connection: the system picks those from the same range.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "a port is held by an open socket")] Vec<TcpListener>);

/// Takes the ports until the services do. Waits for those that only a connection has, which passes.
pub(crate) fn hold(traces: &Traces, interrupt: &Interrupt) -> Result<Held> {
    let mut waiting = wanted(traces);
    let mut held = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    interrupt.wait_for(|| {
        let mut taken = Vec::new();
        for (port, name) in std::mem::take(&mut waiting) {
            match TcpListener::bind(address(port)) {
                Ok(listener) => held.push(listener),
                Err(_) => taken.push((port, name)),
            }
        }
        let refused: Vec<String> = taken
            .iter()
            .filter(|(port, _)| is_listened_on(*port) || Instant::now() > deadline)
            .map(|(port, name)| match owner(*port) {
                Some(owner) => format!("port {port}, which {name} needs, is taken by {owner}"),
                None => format!("port {port}, which {name} needs, is taken"),
            })
            .collect();
        if !refused.is_empty() {
            bail!("{}", refused.join("\n       "));
        }
        if let Some((port, name)) = taken.first()
            && !told
        {
            say::doing("Waiting", format_args!("for port {port} of {name}: a passing connection has it"));
            told = true;
        }
        waiting = taken;
        Ok(waiting.is_empty().then_some(()))
    })?;
    Ok(Held(held))
}

fn wanted(traces: &Traces) -> Vec<(u16, &'static str)> {
    let services = SERVICES
        .iter()
        .flat_map(|service| [(service.port, service.name), (service.admin_port, service.name)]);
    services.chain(traces.ports().iter().map(|port| (*port, "jaeger"))).collect()
}

/// Where the system doesn't tell, whoever has the port is taken for a server.
fn is_listened_on(port: u16) -> bool {
    !Path::new("/proc/net/tcp").exists() || listening_inode(port).is_some()
}

/// Who listens on a port, as Linux tells: `nginx (process 4711)`. Other users' processes show themselves to root only.
fn owner(port: u16) -> Option<String> {
    let socket = format!("socket:[{}]", listening_inode(port)?);
    let process = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|process| holds(*process, &socket))?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(format!("{} (process {process})", name.trim()))
}

fn holds(process: u32, socket: &str) -> bool {
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|mut files| {
        files.any(|file| {
            file.and_then(|file| fs::read_link(file.path())).is_ok_and(|to| to.as_os_str() == socket)
        })
    })
}

fn listening_inode(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| inode_in(&fs::read_to_string(table).ok()?, port))
}

/// Columns: number, local address, remote address, state (0A listens), queues, timers, retransmits, uid, timeout,
/// inode (proc(5)).
fn inode_in(table: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|columns| columns.len() > 9 && columns[1].ends_with(&suffix) && columns[3] == "0A")
        .map(|columns| columns[9].to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_process_that_has_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if Path::new("/proc/net/tcp").exists() {
            let owner = owner(port).unwrap();
            assert!(owner.contains(&format!("process {}", std::process::id())), "{owner}");
        }
    }

    #[test]
    fn only_a_listening_socket_has_the_port() {
        let line = |state| {
            format!(
                "   0: 0100007F:C383 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 4711 1"
            )
        };
        assert_eq!(inode_in(&line("0A"), 50051).as_deref(), Some("4711"));
        assert_eq!(inode_in(&line("01"), 50051), None);
        assert_eq!(inode_in(&line("0A"), 50052), None);
    }
}
