use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, lookup_host},
    sync::watch,
    task::JoinHandle,
};

/// A door in front of a server, for tests in which the server is to be unreachable for a while.
///
/// Works for whatever speaks over TCP. While it is closed, new connections are refused and old ones are broken; while
/// it is stalled, connections are taken and nothing is answered, as from a machine that hangs.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: watch::Sender<State>,
    keeper: JoinHandle<()>,
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
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, localservers::free_port()?));
        let listener = TcpListener::bind(address).await?;
        let (state, states) = watch::channel(State::Open);
        let keeper = tokio::spawn(keep(listener, address, target, states));
        Ok(Self { address, state, keeper })
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
        self.state.send_replace(State::Closed);
    }

    /// Breaks the old connections, takes new ones and never answers them.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Lets everybody through again.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
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
    mut states: watch::Receiver<State>,
) {
    let mut listener = Some(listener);
    loop {
        let state = *states.borrow_and_update();
        match (state, &listener) {
            (State::Closed, _) => listener = None,
            (State::Open | State::Stalled, None) => listener = TcpListener::bind(address).await.ok(),
            (State::Open | State::Stalled, Some(_)) => {}
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            stream = accept(listener.as_ref()) => {
                tokio::spawn(pass(stream, target, state, states.clone()));
            }
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
async fn pass(mut client: TcpStream, target: SocketAddr, state: State, mut states: watch::Receiver<State>) {
    let traffic = async {
        if state == State::Stalled {
            std::future::pending::<()>().await;
        }
        if let Ok(mut server) = TcpStream::connect(target).await {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            // Either side may hang up as it likes.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    };
    tokio::select! {
        () = traffic => {}
        _ = states.wait_for(|now| *now != state) => {}
    }
}
