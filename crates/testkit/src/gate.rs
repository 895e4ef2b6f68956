mod line;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// A door in front of a server, for tests in which the server is to be unreachable for a while.
///
/// Works for whatever speaks over TCP. While it is closed, new connections are refused and old ones are broken; while
/// it is stalled, connections are taken and nothing is answered, as from a machine that hangs; while it is late, all
/// comes, but later. Connections that it has forgotten look alive and lead nowhere.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    keeper: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    state: State,
    /// How much later comes what the server says.
    delay: Duration,
    /// How often the connections of that moment were forgotten.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Stalled,
    Closed,
}

impl Gate {
    /// An open door to `target` (`127.0.0.1:5432`).
    pub async fn to(target: &str) -> Result<Self> {
        let target = lookup_host(target).await?.next().with_context(|| format!("no such host: {target}"))?;
        // It must be able to come back on the same port.
        let listener = localservers::listener()?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let open = Rules { state: State::Open, delay: Duration::ZERO, forgotten: 0 };
        let (rules, changes) = watch::channel(open);
        let keeper = tokio::spawn(keep(listener, address, target, changes));
        Ok(Self { address, rules, keeper })
    }

    /// A door to the server of a `postgres://` or `nats://` address, and the address that leads through it.
    pub async fn before(url: &str) -> Result<(Self, String)> {
        let (scheme, rest) = url.split_once("://").context("no scheme in the address")?;
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
        let (account, host) = authority.rsplit_once('@').map_or((None, authority), |(a, h)| (Some(a), h));
        let gate = Self::to(host).await?;
        let account = account.map(|account| format!("{account}@")).unwrap_or_default();
        let path = path.map(|path| format!("/{path}")).unwrap_or_default();
        let through = format!("{scheme}://{account}{}{path}", gate.address);
        Ok((gate, through))
    }

    /// Where to connect to instead of the target.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new connections and breaks the old ones.
    pub fn close(&self) {
        self.rules.send_modify(|rules| rules.state = State::Closed);
    }

    /// Breaks the old connections, takes new ones and never answers them.
    pub fn stall(&self) {
        self.rules.send_modify(|rules| rules.state = State::Stalled);
    }

    /// Lets everybody through again, and in time.
    pub fn open(&self) {
        self.rules.send_modify(|rules| {
            rules.state = State::Open;
            rules.delay = Duration::ZERO;
        });
    }

    /// From now on what the server says comes so much later.
    pub fn delay(&self, delay: Duration) {
        self.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Leaves the present connections half-open: what either side sends is lost, and the client is never told. The server
    /// is, after as long as its keepalives take. New connections are as usual.
    pub fn forget(&self) {
        self.rules.send_modify(|rules| rules.forgotten += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep(
    listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    mut changes: watch::Receiver<Rules>,
) {
    let mut listener = Some(listener);
    loop {
        let rules = *changes.borrow_and_update();
        match (rules.state, &listener) {
            (State::Closed, _) => listener = None,
            (State::Open | State::Stalled, None) => listener = Some(listen_again(address).await),
            (State::Open | State::Stalled, Some(_)) => {}
        }
        tokio::select! {
            told = changes.changed() => if told.is_err() { return },
            client = accept(listener.as_ref()) => {
                tokio::spawn(pass(client, target, rules, changes.clone()));
            }
        }
    }
}

/// A process that was being started when the door was closed may still hold its port, for some milliseconds.
async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

/// Until either side hangs up, or the door is moved.
async fn pass(client: TcpStream, target: SocketAddr, made: Rules, mut changes: watch::Receiver<Rules>) {
    let moved = changes.clone();
    let traffic = async {
        match made.state {
            State::Open => line::lead(client, target, made.forgotten, moved).await,
            State::Stalled | State::Closed => std::future::pending().await,
        }
    };
    tokio::select! {
        // Either side may hang up as it likes.
        _ = traffic => {}
        _ = changes.wait_for(|now| now.state != made.state) => {}
    }
}
