use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// A longer way to a server: what it answers comes as it was sent, but later. Ends when dropped.
#[derive(Debug)]
pub struct Detour {
    keeper: JoinHandle<()>,
}

impl Detour {
    /// From `address` to `server`, `delay` longer.
    pub(crate) async fn open(address: SocketAddr, server: SocketAddr, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let keeper = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, delay));
            }
        });
        Ok(Self { keeper })
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Until either side hangs up.
async fn pass(client: TcpStream, server: SocketAddr, delay: Duration) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asks, answers) = client.into_split();
    let (answered, mut asked) = server.into_split();
    tokio::select! {
        ended = copy(&mut asks, &mut asked) => ended.map(drop)?,
        ended = later(answered, answers, delay) => ended?,
    }
    Ok(())
}

async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> Result<()> {
    let (on_the_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 || on_the_way.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                return anyhow::Ok(());
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}
