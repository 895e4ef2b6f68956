//! The services: where they listen, and what each is told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use crate::images::ALLOCATOR;

/// Whom the shop's mails come from.
const MAIL_FROM: &str = "The Bookstore <shop@bookstore.example>";

/// The first admin. Everybody can read the password: the shop listens on this machine only.
pub(crate) const ADMIN_EMAIL: &str = "admin@example.com";
pub(crate) const ADMIN_PASSWORD: &str = "admin-runs-the-shop";

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
    /// Whether it has a database, and tells and hears events.
    pub(crate) keeps: bool,
}

pub(crate) const SERVICES: [Service; 6] = [
    Service::keeping("identity", 50051, &[]),
    Service::keeping("inventory", 50052, &["identity"]),
    Service::keeping("order", 50053, &["identity", "inventory"]),
    Service::keeping("payment", 50054, &["identity"]),
    Service::keeping("notification", 50055, &["identity"]),
    GATEWAY,
];

/// The door for everybody who is no service.
pub(crate) const GATEWAY: Service = Service {
    name: "gateway",
    port: 8080,
    admin_port: 51080,
    calls: &["identity", "inventory", "order", "payment", "notification"],
    keeps: false,
};

/// What identity is told that nobody else knows.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) signing_key: PathBuf,
}

impl Service {
    /// A service with a database. Its admin port is a thousand above.
    const fn keeping(name: &'static str, port: u16, calls: &'static [&'static str]) -> Self {
        Self { name, port, admin_port: port + 1000, calls, keeps: true }
    }

    /// The environment that makes it find all it needs but the database and the broker. `mail` is the mail server's URL.
    pub(crate) fn environment(
        &self,
        tls: &tls::Files,
        secrets: &Secrets,
        mail: &str,
    ) -> Vec<(String, String)> {
        let mut environment = vec![
            ("BOOKSTORE_LISTEN".to_owned(), address(self.port).to_string()),
            ("BOOKSTORE_ADMIN_LISTEN".to_owned(), address(self.admin_port).to_string()),
            ("BOOKSTORE_TLS_CERTIFICATE".to_owned(), tls.certificate.display().to_string()),
            ("BOOKSTORE_TLS_KEY".to_owned(), tls.key.display().to_string()),
            ("BOOKSTORE_TLS_ROOTS".to_owned(), tls.roots.display().to_string()),
            ALLOCATOR.map(str::to_owned).into(),
        ];
        for callee in SERVICES.iter().filter(|callee| self.calls.contains(&callee.name)) {
            environment.push((
                format!("BOOKSTORE_{}_TARGET", callee.name.to_uppercase()),
                format!("ipv4:{}", address(callee.port)),
            ));
        }
        if self.name == "identity" {
            environment.extend([
                ("BOOKSTORE_SIGNING_KEY_FILE".to_owned(), secrets.signing_key.display().to_string()),
                ("BOOKSTORE_ADMIN_EMAIL".to_owned(), ADMIN_EMAIL.to_owned()),
                ("BOOKSTORE_ADMIN_PASSWORD".to_owned(), ADMIN_PASSWORD.to_owned()),
            ]);
        }
        if self.name == "notification" {
            environment.extend([
                ("BOOKSTORE_SMTP_URL".to_owned(), mail.to_owned()),
                ("BOOKSTORE_MAIL_FROM".to_owned(), MAIL_FROM.to_owned()),
            ]);
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
        let secrets = Secrets { signing_key: "/s/key".into() };
        let tls = tls::Files { certificate: "/c".into(), key: "/k".into(), roots: "/r".into() };
        let told: Vec<Vec<(String, String)>> = SERVICES
            .iter()
            .map(|service| service.environment(&tls, &secrets, "smtp://127.0.0.1:25"))
            .collect();
        let order = &told[2];
        assert!(order.contains(&("BOOKSTORE_INVENTORY_TARGET".into(), "ipv4:127.0.0.1:50052".into())));
        let with_key = |env: &&Vec<_>| env.iter().any(|(name, _)| name == "BOOKSTORE_SIGNING_KEY_FILE");
        assert_eq!(told.iter().filter(with_key).count(), 1, "only identity signs");
        let with_mail = |env: &&Vec<_>| env.iter().any(|(name, _)| name == "BOOKSTORE_SMTP_URL");
        assert_eq!(told.iter().filter(with_mail).count(), 1, "only notification writes");
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
