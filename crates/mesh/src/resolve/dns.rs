//! Every A and AAAA record of a name, looked up again when they have lived their time.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    ConnectionProvider, Resolver, TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{RData, RecordType},
    },
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
        let answer = match resolver(server) {
            Ok(resolver) => look(&resolver, host, port).await,
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

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => Resolver::builder_tokio()?,
        Some(server) => {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_name_servers(vec![config]);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.cache_size = 0;
    options.timeout = TRY;
    options.attempts = TRIES;
    builder.build()
}

async fn look<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    host: &str,
    port: u16,
) -> Result<Answer, NetError> {
    let (v4, v6) =
        tokio::join!(records(resolver, host, RecordType::A), records(resolver, host, RecordType::AAAA));
    let records = match (v4, v6) {
        (Ok(v4), Ok(v6)) => v4.into_iter().chain(v6).collect(),
        // Many servers of IPv4 networks know nothing of the other kind.
        (Ok(some), Err(_)) | (Err(_), Ok(some)) if !some.is_empty() => some,
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    Ok(answer(records, port))
}

/// A name without such records is an answer, not a failure.
async fn records<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    host: &str,
    kind: RecordType,
) -> Result<Vec<(IpAddr, Duration)>, NetError> {
    let lookup = match resolver.lookup(host, kind).await {
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
    fn an_empty_answer_is_asked_again_soon() {
        assert_eq!(answer(Vec::new(), 1), Answer { addresses: Vec::new(), ttl: SHORTEST });
    }
}
