//! A DNS server of the tests' own.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use tokio::{net::UdpSocket, task::JoinHandle};

/// What is answered for every name.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Records(Vec<IpAddr>, u32),
    ServerFailure,
}

pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    queries: Arc<AtomicUsize>,
    serves: JoinHandle<()>,
}

impl Names {
    pub(crate) async fn start(zone: Zone) -> Result<Self> {
        crate::seeing::start();
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let zone = Arc::new(Mutex::new(zone));
        let queries = Arc::new(AtomicUsize::new(0));
        let (known, counted) = (zone.clone(), queries.clone());
        let serves = tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                counted.fetch_add(1, Ordering::SeqCst);
                let zone = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(answer) = answer(&packet[..length], &zone) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Ok(Self { address, zone, queries, serves })
    }

    pub(crate) fn set(&self, zone: Zone) {
        *self.zone.lock().unwrap_or_else(PoisonError::into_inner) = zone;
    }

    pub(crate) fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

/// RFC 1035, 4: the question as it came, and a record for each address of the kind asked for.
fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(12..12 + name + 5)?;
    let kind = question[name + 2];
    let (records, ttl, code) = match zone {
        Zone::Records(records, ttl) => (records.as_slice(), *ttl, 0),
        Zone::ServerFailure => (&[][..], 0, 2),
    };
    let data: Vec<Vec<u8>> = records
        .iter()
        .filter_map(|ip| match ip {
            IpAddr::V4(ip) if kind == 1 => Some(ip.octets().to_vec()),
            IpAddr::V6(ip) if kind == 28 => Some(ip.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut answer = query[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(data.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question);
    for data in data {
        answer.extend([0xc0, 12, 0, kind, 0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend([0, u8::try_from(data.len()).ok()?]);
        answer.extend(data);
    }
    Some(answer)
}
