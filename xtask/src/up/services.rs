//! The services: where they listen, and what each is told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// A service that `up` runs as a process of its own. Its package, program and database have its name.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// Where it answers calls.
    pub(crate) port: u16,
    /// Where it tells of its health.
    pub(crate) admin_port: u16,
    /// The services it calls.
    calls: &'static [&'static str],
    signs_tokens: bool,
}

pub(crate) const SERVICES: [Service; 4] = [
    Service { name: "identity", port: 50051, admin_port: 51051, calls: &[], signs_tokens: true },
    Service { name: "inventory", port: 50052, admin_port: 51052, calls: &["identity"], signs_tokens: false },
    Service {
        name: "order",
        port: 50053,
        admin_port: 51053,
        calls: &["identity", "inventory"],
        signs_tokens: false,
    },
    Service { name: "payment", port: 50054, admin_port: 51054, calls: &["identity"], signs_tokens: false },
];

/// What services are told beside their addresses.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) peer_secret: PathBuf,
    pub(crate) signing_key: PathBuf,
}

impl Service {
    /// The environment that makes it find all it needs.
    pub(crate) fn environment(&self, secrets: &Secrets, database: &str, nats: &str) -> Vec<(String, String)> {
        let mut environment = vec![
            ("BOOKSTORE_LISTEN".to_owned(), address(self.port).to_string()),
            ("BOOKSTORE_ADMIN_LISTEN".to_owned(), address(self.admin_port).to_string()),
            ("BOOKSTORE_DATABASE_URL".to_owned(), database.to_owned()),
            ("BOOKSTORE_NATS_URL".to_owned(), nats.to_owned()),
            ("BOOKSTORE_PEER_SECRET_FILE".to_owned(), secrets.peer_secret.display().to_string()),
        ];
        for callee in SERVICES.iter().filter(|callee| self.calls.contains(&callee.name)) {
            environment.push((
                format!("BOOKSTORE_{}_TARGET", callee.name.to_uppercase()),
                format!("ipv4:{}", address(callee.port)),
            ));
        }
        if self.signs_tokens {
            environment
                .push(("BOOKSTORE_SIGNING_KEY_FILE".to_owned(), secrets.signing_key.display().to_string()));
        }
        environment
    }

    /// Whether it says that it is ready for calls.
    pub(crate) fn is_ready(&self) -> bool {
        answers_ok(address(self.admin_port), "/readyz").unwrap_or(false)
    }
}

pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn answers_ok(at: SocketAddr, path: &str) -> std::io::Result<bool> {
    let timeout = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&at, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::TcpListener, thread};

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: HashSet<u16> =
            SERVICES.iter().flat_map(|service| [service.port, service.admin_port]).collect();
        assert_eq!(ports.len(), 2 * SERVICES.len());
    }

    #[test]
    fn each_service_is_told_where_those_are_that_it_calls() {
        let secrets = Secrets { peer_secret: "/s/peer".into(), signing_key: "/s/key".into() };
        let told: Vec<Vec<(String, String)>> =
            SERVICES.iter().map(|service| service.environment(&secrets, "postgres://", "nats://")).collect();
        let order = &told[2];
        assert!(order.contains(&("BOOKSTORE_INVENTORY_TARGET".into(), "ipv4:127.0.0.1:50052".into())));
        let with_key = |env: &&Vec<_>| env.iter().any(|(name, _)| name == "BOOKSTORE_SIGNING_KEY_FILE");
        assert_eq!(told.iter().filter(with_key).count(), 1, "only identity signs");
    }

    #[test]
    fn only_a_200_is_ready() {
        for (answer, ready) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let at = server.local_addr().unwrap();
            let answering = thread::spawn(move || {
                let (mut stream, _) = server.accept().unwrap();
                let mut request = [0; 1024];
                let read = stream.read(&mut request).unwrap();
                assert!(request[..read].starts_with(b"GET /readyz "));
                // In one piece: whoever asks hangs up after the status.
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(answers_ok(at, "/readyz").unwrap(), ready);
            answering.join().unwrap();
        }
    }
}
