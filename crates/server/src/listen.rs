//! Accepting connections, and letting go of them.

use std::{convert::Infallible, future::Future, pin::pin, time::Duration};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

/// After a failure to accept that isn't one connection's: no file descriptors left, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What one connection and one of its streams may have under way to us.
const WINDOW: u32 = 1 << 20;
const STREAMS: u32 = 1024;
/// A peer that doesn't answer is gone, whatever its TCP says.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);

/// A port that is answered until it is [drained](Self::drain).
pub(crate) struct Port {
    connections: TaskTracker,
    drain: CancellationToken,
    cut: CancellationToken,
}

impl Port {
    /// Answers HTTP/2, and HTTP/1 beside it, with `service`.
    pub(crate) fn open<S, B>(listener: TcpListener, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let port = Self {
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let (connections, drain, cut) = (port.connections.clone(), port.drain.clone(), port.cut.clone());
        port.connections.spawn(async move {
            while let Some(stream) = drain.run_until_cancelled(accept(&listener)).await {
                let connection = answer(stream, service.clone(), drain.clone());
                let cut = cut.clone();
                connections.spawn(async move { cut.run_until_cancelled(connection).await });
            }
        });
        port
    }

    /// Accepts nothing new, lets what is under way end, and cuts at `deadline` what has not.
    pub(crate) async fn drain(self, deadline: Instant) {
        self.drain.cancel();
        self.connections.close();
        if timeout_at(deadline, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "calls did not end in time and are cut");
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole: waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn answer<S, B>(stream: TcpStream, service: S, drain: CancellationToken) -> impl Future<Output = ()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER);
    async move {
        let mut connection =
            pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
}
