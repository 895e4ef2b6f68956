//! One HTTP/2 connection, from the first packet to the last.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;
use tonic::body::Body;

/// After how much silence the other side is asked whether it is there, and how long that answer may take.
const KEEPALIVE: Duration = Duration::from_secs(1);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// A connection from which nothing came for so long has not answered a ping either.
pub(crate) const SILENCE: Duration = KEEPALIVE.saturating_add(Duration::from_millis(250));

/// How connections to one service are made.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) timeout: Duration,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection over which the other side has spoken.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Body>,
    pub(crate) line: Arc<Line>,
    /// Resolves when it is closed, whatever for.
    pub(crate) closed: oneshot::Receiver<()>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("closed before it was used")]
    Closed,
}

impl Connector {
    /// Connects and waits for the other side's first frame.
    ///
    /// Without it, a frozen process (its kernel accepts), and under TLS 1.3 a server that refuses our certificate, would
    /// pass for connected and fail on the first call.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        timeout(self.timeout, self.establish(address))
            .await
            .unwrap_or(Err(ConnectError::TimedOut(self.timeout)))
    }

    async fn establish(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => speak(tcp).await,
            Some((connector, name)) => speak(connector.connect(name.clone(), tcp).await?).await,
        }
    }
}

async fn speak<S>(stream: S) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = Arc::new(Line::new());
    let listened = Listened { stream, line: line.clone() };
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(listened))
        .await?;
    let (open, mut closed) = oneshot::channel::<()>();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "connection lost");
        }
        drop(open);
    });
    tokio::select! {
        () = line.first.notified() => Ok(Connection { sender, line, closed }),
        _ = &mut closed => Err(ConnectError::Closed),
    }
}

/// What is known of a connection: when the other side last said something, and whether it takes no more calls.
#[derive(Debug)]
pub(crate) struct Line {
    began: Instant,
    /// Milliseconds after `began`.
    last: AtomicU64,
    first: Notify,
    pub(crate) spent: Notify,
}

impl Line {
    fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0), first: Notify::new(), spent: Notify::new() }
    }

    fn note(&self) {
        let millis = self.began.elapsed().as_millis();
        self.last.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.first.notify_one();
    }

    pub(crate) fn last_heard(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// A stream that notes when something was read from it.
struct Listened<S> {
    stream: S,
    line: Arc<Line>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.line.note();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
