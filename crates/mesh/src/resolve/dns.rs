//! Every A and AAAA record of a name, looked up again when they have lived their time.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr as _,
    time::Duration,
};

use hickory_resolver::{
    ConnectionProvider, Resolver, TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
    system_conf::read_system_conf,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Found, Replicas, Search, trouble::Trouble};

/// A record lives at least this long, whatever it says, and that is how often doubts are heeded.
const SHORTEST: Duration = Duration::from_secs(1);
/// And at most this long, lest a slip of someone's keyboard last for days.
const LONGEST: Duration = Duration::from_mins(5);
/// How long a server that doesn't answer is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long one look may take; DNS packets get lost.
const TRY: Duration = Duration::from_secs(1);
const TRIES: usize = 3;

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    addresses: Vec<SocketAddr>,
    /// The shortest of all records.
    ttl: Duration,
}

pub(super) fn follow(server: Option<SocketAddr>, host: String, port: u16, search: Search) -> Replicas {
    let (found, replicas) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            () = look_again_and_again(server, &host, port, &search, &found) => {}
            () = found.closed() => {}
        }
    });
    replicas
}

async fn look_again_and_again(
    server: Option<SocketAddr>,
    host: &str,
    port: u16,
    search: &Search,
    found: &watch::Sender<Option<Found>>,
) {
    let dice = &search.dice;
    let mut trouble = Trouble::new(search.metrics);
    loop {
        let looked = Instant::now();
        // Made anew each time: the system's configuration may have changed.
        let answer = match resolver(server, host) {
            Ok((resolver, names)) => look(&resolver, names, port).await,
            Err(error) => Err(error),
        };
        let ttl = match answer {
            Ok(Answer { addresses, ttl }) => {
                if trouble.over() {
                    tracing::info!(host, "found again");
                }
                let now = Found::anywhere(addresses);
                found.send_if_modified(|known| {
                    let is_new = known.as_ref() != Some(&now);
                    if is_new {
                        let addresses: Vec<_> = now.replicas.iter().map(|it| it.address).collect();
                        tracing::info!(host, replicas = ?addresses, "replicas");
                        *known = Some(now);
                    }
                    is_new
                });
                ttl.clamp(SHORTEST, LONGEST)
            }
            Err(error) => {
                if trouble.begun("lookup_failed") {
                    tracing::warn!(
                        host,
                        error = &error as &dyn std::error::Error,
                        "can't be looked up; the replicas known before stay"
                    );
                }
                found.send_if_modified(|known| {
                    let is_first = known.is_none();
                    known.get_or_insert_default();
                    is_first
                });
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = sleep_until(looked + dice.between(ttl, 0.9, 1.1)) => {}
            () = search.doubts.notified() => sleep_until(looked + dice.between(SHORTEST, 0.9, 1.1)).await,
        }
    }
}

/// And the names to be looked up, one after the other.
fn resolver(server: Option<SocketAddr>, host: &str) -> Result<(TokioResolver, Vec<Name>), NetError> {
    let (config, mut options) = match server {
        None => read_system_conf()?,
        Some(server) => {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            (ResolverConfig::from_name_servers(vec![config]), ResolverOpts::default())
        }
    };
    options.cache_size = 0;
    options.timeout = TRY;
    options.attempts = TRIES;
    let names = names(host, config.domain().into_iter().chain(config.search()), options.ndots)?;
    let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    Ok((builder.with_options(options).build()?, names))
}

/// As resolv.conf(5) has it: a name with few dots is one of the search list first.
fn names<'a>(
    host: &str,
    search: impl Iterator<Item = &'a Name>,
    ndots: usize,
) -> Result<Vec<Name>, NetError> {
    let mut name = Name::from_str(host)?;
    if name.is_fqdn() {
        return Ok(vec![name]);
    }
    let mut names = Vec::new();
    for domain in search {
        names.push(name.clone().append_domain(domain)?);
    }
    let dots = host.bytes().filter(|byte| *byte == b'.').count();
    let position = if dots >= ndots || name.is_localhost() { 0 } else { names.len() };
    name.set_fqdn(true);
    names.insert(position, name);
    Ok(names)
}

/// The first name with records. Where one can't be looked up it isn't known to have none, so the next isn't meant.
async fn look<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    names: Vec<Name>,
    port: u16,
) -> Result<Answer, NetError> {
    for name in names {
        let records = both(resolver, &name).await?;
        if !records.is_empty() {
            return Ok(answer(records, port));
        }
    }
    Ok(answer(Vec::new(), port))
}

async fn both<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    name: &Name,
) -> Result<Vec<(IpAddr, Duration)>, NetError> {
    let (v4, v6) =
        tokio::join!(records(resolver, name, RecordType::A), records(resolver, name, RecordType::AAAA));
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => Ok(v4.into_iter().chain(v6).collect()),
        // Many servers of IPv4 networks know nothing of the other kind.
        (Ok(some), Err(_)) | (Err(_), Ok(some)) if !some.is_empty() => Ok(some),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// A name without such records is an answer, not a failure.
async fn records<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    name: &Name,
    kind: RecordType,
) -> Result<Vec<(IpAddr, Duration)>, NetError> {
    let lookup = match resolver.lookup(name.clone(), kind).await {
        Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords {
            response_code: ResponseCode::NoError | ResponseCode::NXDomain,
            ..
        }))) => return Ok(Vec::new()),
        found => found?,
    };
    let addresses = lookup.answers().iter().filter_map(|record| {
        let ip = match &record.data {
            RData::A(ip) => IpAddr::from(ip.0),
            RData::AAAA(ip) => IpAddr::from(ip.0),
            _ => return None,
        };
        Some((ip, Duration::from_secs(record.ttl.into())))
    });
    Ok(addresses.collect())
}

fn answer(records: Vec<(IpAddr, Duration)>, port: u16) -> Answer {
    let ttl = records.iter().map(|(_, ttl)| *ttl).min().unwrap_or(SHORTEST);
    let mut addresses: Vec<_> = records.into_iter().map(|(ip, _)| SocketAddr::new(ip, port)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Answer { addresses, ttl }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    #[test]
    fn the_order_and_repeats_of_records_are_nothing_new() {
        let (first, second) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let seconds = Duration::from_secs;
        let records = vec![(second, seconds(30)), (first, seconds(5)), (second, seconds(30))];
        let addresses = vec![SocketAddr::new(first, 1), SocketAddr::new(second, 1)];
        assert_eq!(answer(records, 1), Answer { addresses, ttl: seconds(5) });
    }

    #[test]
    fn a_short_name_is_one_of_the_search_list_first() {
        let search =
            ["shop.svc.cluster.local.", "svc.cluster.local."].map(|name| Name::from_str(name).unwrap());
        let tried = |host: &str, ndots| {
            let names = names(host, search.iter(), ndots).unwrap();
            names.iter().map(Name::to_string).collect::<Vec<_>>()
        };
        let short = ["orders.shop.svc.cluster.local.", "orders.svc.cluster.local.", "orders."];
        assert_eq!(tried("orders", 5), short);
        let long = ["orders.shop.", "orders.shop.shop.svc.cluster.local.", "orders.shop.svc.cluster.local."];
        assert_eq!(tried("orders.shop", 1), long);
        assert_eq!(tried("orders.", 5), ["orders."]);
        assert_eq!(tried("localhost", 5)[0], "localhost.");
    }

    /// Knows no name, and fails when asked for one that says so.
    async fn server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let fails = packet[..length].windows(5).any(|part| part == b"fails");
                packet[2] = 0x85;
                packet[3] = 0x80 | if fails { 2 } else { 3 };
                socket.send_to(&packet[..length], from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_name_that_can_not_be_looked_up_is_not_passed_over_for_the_next() {
        let (resolver, _) = resolver(Some(server().await), "orders").unwrap();
        let found = async |names: [&str; 2]| {
            let names = names.map(|name| Name::from_str(name).unwrap()).to_vec();
            look(&resolver, names, 1).await
        };
        assert_eq!(found(["unknown.", "unknown."]).await.unwrap().addresses, []);
        assert!(found(["fails.", "unknown."]).await.is_err());
        assert!(found(["unknown.", "fails."]).await.is_err());
    }

    #[test]
    fn an_empty_answer_is_asked_again_soon() {
        assert_eq!(answer(Vec::new(), 1), Answer { addresses: Vec::new(), ttl: SHORTEST });
    }
}
