use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// Ports are tried so often until one is free wherever it has to be.
const TRIES: usize = 100;
/// A DNS header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// A DNS server of the test's own, over UDP and TCP. Knows the names that it is told. Stops when dropped.
///
/// Address records have no port, so replicas behind a name differ in their addresses: see [`replicas`].
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    zone: Zone,
    /// Ends what it holds.
    _servers: JoinSet<()>,
}

#[derive(Clone, Default, Debug)]
struct Zone(Arc<Mutex<Names>>);

#[derive(Default, Debug)]
struct Names {
    known: HashMap<String, Records>,
    is_broken: bool,
    queries: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Records {
    addresses: Vec<IpAddr>,
    ttl: u32,
}

/// What was asked.
struct Question<'a> {
    name: String,
    kind: u16,
    class: u16,
    /// As it came, to be repeated in the answer.
    bytes: &'a [u8],
}

impl Dns {
    /// Starts on a free port, without names.
    pub async fn start() -> Result<Self> {
        let (udp, tcp) = sockets().await?;
        let address = udp.local_addr()?;
        let zone = Zone::default();
        let mut servers = JoinSet::new();
        servers.spawn(over_udp(udp, zone.clone()));
        servers.spawn(over_tcp(tcp, zone.clone()));
        Ok(Self { address, zone, _servers: servers })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For a `…_TARGET`: all that `name` leads to, on `port`, as this server knows it.
    #[must_use]
    pub fn target(&self, name: &str, port: u16) -> String {
        format!("dns://{}/{name}:{port}", self.address)
    }

    /// From now on `name` leads to these addresses and no others, each answer good for `ttl` (in whole seconds).
    pub fn set(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>, ttl: Duration) {
        let ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
        let records = Records { addresses: addresses.into_iter().collect(), ttl };
        self.zone.lock().known.insert(name.to_lowercase(), records);
    }

    /// From now on there is no such name.
    pub fn remove(&self, name: &str) {
        self.zone.lock().known.remove(&name.to_lowercase());
    }

    /// Whether every question is answered SERVFAIL.
    pub fn set_broken(&self, is_broken: bool) {
        self.zone.lock().is_broken = is_broken;
    }

    /// How often `name` was asked for, whatever the kind of record.
    #[must_use]
    pub fn queries(&self, name: &str) -> usize {
        self.zone.lock().queries.get(&name.to_lowercase()).copied().unwrap_or_default()
    }
}

/// Addresses of so many replicas, each on a machine of its own as address records see it: 127.0.0.1, 127.0.0.2, … all
/// on one port, which was free just now.
pub async fn replicas(count: u8) -> Result<Vec<SocketAddr>> {
    for _ in 0..TRIES {
        let port = localservers::free_port()?;
        let addresses = (1..=count).map(|last| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port)));
        let addresses: Vec<_> = addresses.collect();
        let mut are_free = true;
        for address in &addresses {
            are_free &= TcpListener::bind(address).await.is_ok();
        }
        if are_free {
            return Ok(addresses);
        }
    }
    bail!("no port is free on {count} addresses")
}

/// The same port of both kinds.
async fn sockets() -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..TRIES {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?).await {
            return Ok((udp, tcp));
        }
    }
    bail!("no port is free for UDP and TCP")
}

async fn over_udp(socket: UdpSocket, zone: Zone) {
    let mut packet = [0; 4096];
    // A client that is gone already makes receiving fail once.
    loop {
        let Ok((length, client)) = socket.recv_from(&mut packet).await else { continue };
        if let Some(answer) = zone.answer(&packet[..length]) {
            // As packets do, it may get lost.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn over_tcp(listener: TcpListener, zone: Zone) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let zone = zone.clone();
        connections.spawn(async move {
            // Ends with the client, or with what it sends that is no question.
            while converse(&mut stream, &zone).await.is_ok() {}
        });
    }
}

/// One question and its answer, each after its length (RFC 1035, section 4.2.2).
async fn converse(stream: &mut TcpStream, zone: &Zone) -> Result<()> {
    let mut packet = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut packet).await?;
    let answer = zone.answer(&packet).ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?;
    stream.write_u16(answer.len().try_into()?).await?;
    stream.write_all(&answer).await.context("the client is gone")
}

impl Zone {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing if it isn't a question.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let question = Question::parse(query)?;
        let mut names = self.lock();
        *names.queries.entry(question.name.clone()).or_default() += 1;
        let (code, records) = match names.known.get(&question.name) {
            _ if names.is_broken => (SERVER_FAILURE, None),
            None => (NO_SUCH_NAME, None),
            Some(records) => (0, Some(records)),
        };
        let answers: Vec<Vec<u8>> = records.map(|records| records.answers(&question)).unwrap_or_default();
        let mut packet = query.get(..2)?.to_vec();
        // An authoritative answer that has all there is, recursion as it was asked for (RFC 1035, section 4.1.1).
        packet.extend([0x84 | query[2] & 1, 0x80 | code]);
        packet.extend([0, 1]);
        packet.extend(u16::try_from(answers.len()).ok()?.to_be_bytes());
        packet.extend([0, 0, 0, 0]);
        packet.extend(question.bytes);
        packet.extend(answers.concat());
        Some(packet)
    }
}

impl Records {
    fn answers(&self, question: &Question<'_>) -> Vec<Vec<u8>> {
        let record = |data: &[u8]| {
            // The name is the question's.
            let mut record = vec![0xc0, 12];
            record.extend(question.kind.to_be_bytes());
            record.extend(IN.to_be_bytes());
            record.extend(self.ttl.to_be_bytes());
            record.extend([0, if question.kind == A { 4 } else { 16 }]);
            record.extend(data);
            record
        };
        let addresses = self.addresses.iter().filter(|_| question.class == IN);
        addresses
            .filter_map(|address| match (address, question.kind) {
                (IpAddr::V4(address), A) => Some(record(&address.octets())),
                (IpAddr::V6(address), AAAA) => Some(record(&address.octets())),
                _ => None,
            })
            .collect()
    }
}

impl<'a> Question<'a> {
    fn parse(query: &'a [u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut rest = query.get(HEADER..)?;
        loop {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            if label.is_empty() {
                break;
            }
            labels.push(String::from_utf8_lossy(label).to_lowercase());
        }
        let [kind_high, kind_low, class_high, class_low, after @ ..] = rest else { return None };
        Some(Self {
            name: labels.join("."),
            kind: u16::from_be_bytes([*kind_high, *kind_low]),
            class: u16::from_be_bytes([*class_high, *class_low]),
            bytes: query.get(HEADER..query.len() - after.len())?,
        })
    }
}
