//! One connection through a gate.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::Rules;

/// After how long a server is told that its client is gone.
const KEEPALIVES: Duration = Duration::from_secs(10);

/// Until either side hangs up, or the client does after its connection was forgotten.
pub(super) async fn lead(
    client: TcpStream,
    server: SocketAddr,
    forgotten: u64,
    mut rules: watch::Receiver<Rules>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let delay = rules.clone();
    let ((mut asks, mut answers), (mut answered, mut asked)) = (client.into_split(), server.into_split());
    tokio::select! {
        ended = copy(&mut asks, &mut asked) => return ended.map(drop),
        ended = later(&mut answered, &mut answers, &delay) => return ended,
        _ = rules.wait_for(|now| now.forgotten > forgotten) => {}
    }
    let server = async {
        sleep(KEEPALIVES).await;
        drop((answered, asked));
        std::future::pending::<()>().await;
    };
    let mut nowhere = sink();
    tokio::select! {
        swallowed = copy(&mut asks, &mut nowhere) => swallowed.map(drop),
        () = server => Ok(()),
    }
}

/// Passes on what comes, each piece after the delay of its moment.
async fn later(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    rules: &watch::Receiver<Rules>,
) -> io::Result<()> {
    let (on_the_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut buffer).await?;
            let due = Instant::now() + rules.borrow().delay;
            if length == 0 || on_the_way.send((due, buffer[..length].to_vec())).is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    // Last words arrive too.
    tokio::try_join!(reading, writing).map(drop)
}
