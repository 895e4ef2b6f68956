//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service;

use super::{
    Age, HttpService, Origin, Terms,
    body::{Ending, Use},
    metrics,
};

/// What one stream may send us before it is read. A message has 256 KiB at most.
const STREAM_WINDOW: u32 = 256 << 10;
/// What one request's headers may take: a token has some 1 KiB.
const HEADERS: u32 = 16 << 10;
/// As many lines of them.
const HEADER_LINES: usize = 64;
/// Streams that were reset and that we still have work with.
const RESETS: usize = 64;
/// A peer that doesn't answer is gone, whatever its TCP says.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);
/// HTTP/1: how long a request's headers may take to come, and its connection to be used again.
const HEADERS_READ: Duration = Duration::from_secs(15);
/// A connection without a call for so long is let go; so is one that never speaks a protocol of ours.
pub(crate) const IDLE: Duration = Duration::from_mins(2);
/// Until a connection that was told to end is cut, once it has nothing to do any more.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Answers requests until the connection ends.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    origin: Origin,
    terms: &Terms,
    service: HttpService,
    drain: CancellationToken,
) {
    let _open = Open::count(terms.name);
    // Ends with the connection's age what a stop ends for all.
    let streams_end = terms.streams_end.child_token();
    let used = Use::new();
    let service =
        Answered { inner: service, origin, used: Arc::clone(&used), streams_end: streams_end.clone() };
    let builder = builder(terms);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));

    let mut phase = Phase::Open;
    let mut next = pin!(sleep_until(Instant::now()));
    let (old, grace) = terms.age.map_or((None, Duration::ZERO), |age| (Some(age.ends()), age.grace));
    next.as_mut().reset(phase_ends(old, terms, &used));
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(port = terms.name, %error, "a connection broke");
                }
                return;
            }
            () = drain.cancelled(), if phase != Phase::Draining => {
                connection.as_mut().graceful_shutdown();
                // Who drains the port cuts it.
                phase = Phase::Draining;
            }
            () = next.as_mut(), if phase != Phase::Draining => {
                let now = Instant::now();
                match phase {
                    Phase::Open if old.is_some_and(|old| old <= now) => {
                        connection.as_mut().graceful_shutdown();
                        phase = Phase::Old;
                        next.as_mut().reset(now + grace);
                    }
                    Phase::Open if used.ends(terms.silence, IDLE).is_some_and(|end| end <= now) => {
                        connection.as_mut().graceful_shutdown();
                        phase = Phase::Leaving;
                        next.as_mut().reset(now + FAREWELL);
                    }
                    Phase::Open => next.as_mut().reset(phase_ends(old, terms, &used)),
                    Phase::Old => {
                        streams_end.cancel();
                        phase = Phase::Leaving;
                        next.as_mut().reset(now + FAREWELL);
                    }
                    Phase::Leaving | Phase::Draining => return,
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Past its age: what is under way may still go on.
    Old,
    /// Has its last moments.
    Leaving,
    /// The port is.
    Draining,
}

/// When an open connection is to be looked at again.
fn phase_ends(old: Option<Instant>, terms: &Terms, used: &Use) -> Instant {
    let idle = used.ends(terms.silence, IDLE).unwrap_or_else(|| Instant::now() + IDLE);
    old.map_or(idle, |old| old.min(idle))
}

impl Age {
    /// Jittered, so that clients which came together don't come back together.
    fn ends(self) -> Instant {
        Instant::now() + self.most.mul_f64(rand::random_range(0.9..=1.1))
    }
}

fn builder(terms: &Terms) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_READ)
        .max_headers(HEADER_LINES)
        .max_buf_size(HEADERS as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW.min(terms.window))
        .initial_connection_window_size(terms.window)
        .max_concurrent_streams(terms.streams)
        .max_header_list_size(HEADERS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER);
    builder
}

/// Tells each request where it came from, and each answer when it must end.
#[derive(Clone)]
struct Answered {
    inner: HttpService,
    origin: Origin,
    used: Arc<Use>,
    streams_end: CancellationToken,
}

impl Service<Request<Incoming>> for Answered {
    type Response = Response<Ending<Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let used = self.used.begin();
        if let Some(client) = self.origin.client {
            request.extensions_mut().insert(ConnectInfo(client));
        }
        request.extensions_mut().insert(self.origin.clone());
        let answer = self.inner.call(request);
        let streams_end = self.streams_end.clone();
        Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(Ending::of(answer, streams_end, used))
        })
    }
}

/// Counts a connection while it is open.
struct Open(&'static str);

impl Open {
    fn count(port: &'static str) -> Self {
        metrics::METRICS.open.add(1, &metrics::port(port));
        Self(port)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::METRICS.open.add(-1, &metrics::port(self.0));
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use hyper::client::conn::http2;
    use tokio::{
        io::{DuplexStream, duplex},
        task::JoinHandle,
    };
    use tower::service_fn;

    use super::{super::http_service, *};

    const SILENCE: Duration = Duration::from_secs(15);

    fn open() -> (DuplexStream, JoinHandle<()>) {
        let (near, far) = duplex(64 << 10);
        let terms = Terms {
            name: "test",
            identity: None,
            connections: 1,
            share: None,
            silence: SILENCE,
            streams: 1,
            window: 64 << 10,
            age: None,
            streams_end: CancellationToken::new(),
        };
        let service = http_service(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty()))));
        let origin = Origin { peer: None, client: None, is_local: false };
        let served = tokio::spawn(async move {
            serve(Box::new(far), origin, &terms, service, CancellationToken::new()).await;
        });
        (near, served)
    }

    async fn ends(served: JoinHandle<()>) -> Duration {
        let begun = Instant::now();
        served.await.unwrap();
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_is_let_go() {
        let (_near, served) = open();
        let ended = ends(served).await;
        assert!((SILENCE..=SILENCE + FAREWELL).contains(&ended), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_hello_and_asks_nothing_is_let_go() {
        let (near, served) = open();
        let (_sender, connection) =
            http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let ended = ends(served).await;
        assert!((SILENCE..=SILENCE + FAREWELL).contains(&ended), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_may_pause() {
        let (near, served) = open();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().uri(Uri::from_static("http://test/")).body(Body::empty()).unwrap();
        sender.send_request(request).await.unwrap();
        let ended = ends(served).await;
        assert!((IDLE..=IDLE + FAREWELL).contains(&ended), "{ended:?}");
    }
}
