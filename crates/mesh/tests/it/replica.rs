//! A replica of every service of the contract, that can be told how to behave down to the frames.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use h2::{Reason, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How a call is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Ok,
    Status(&'static str),
    /// UNAVAILABLE, and not to be asked again.
    UnavailableForGood,
    /// UNAVAILABLE, and to be asked again after so many milliseconds.
    UnavailableFor(&'static str),
    /// As our own services say it, with a reason.
    Refusal(Code, &'static str),
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Refuse,
    /// The connection ends without an answer.
    Cut,
    /// The connection ends after the headers of the answer.
    CutAfterHeaders,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Runs,
    /// As after SIGSTOP: the kernel accepts, nobody reads.
    Pauses,
    /// GOAWAY, and calls under way end.
    Drains,
}

#[derive(Clone)]
struct Shared {
    calls: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Held by each connection that is open.
    open: Arc<()>,
    heads: Arc<Mutex<Vec<HeaderMap>>>,
    reply: Arc<Mutex<(Reply, Duration)>>,
    mode: watch::Receiver<Mode>,
    goaways: watch::Receiver<u32>,
}

pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    shared: Shared,
    mode: watch::Sender<Mode>,
    goaways: watch::Sender<u32>,
    listens: JoinHandle<()>,
}

impl Replica {
    pub(crate) async fn start() -> Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    pub(crate) async fn listen(address: SocketAddr, tls: Option<TlsAcceptor>) -> Result<Self> {
        crate::seeing::start();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (mode, seen) = watch::channel(Mode::Runs);
        let (goaways, asked) = watch::channel(0);
        let shared = Shared {
            calls: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            heads: Arc::default(),
            reply: Arc::new(Mutex::new((Reply::Ok, Duration::from_millis(1)))),
            mode: seen,
            goaways: asked,
        };
        let listens = tokio::spawn(listen(listener, tls, shared.clone()));
        Ok(Self { address, shared, mode, goaways, listens })
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Those that are not closed.
    pub(crate) fn open(&self) -> usize {
        Arc::weak_count(&self.shared.open)
    }

    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        lock(&self.shared.heads).clone()
    }

    pub(crate) fn reply(&self, reply: Reply, after: Duration) {
        *lock(&self.shared.reply) = (reply, after);
    }

    pub(crate) fn pause(&self) {
        self.mode.send_replace(Mode::Pauses);
    }

    pub(crate) fn resume(&self) {
        self.mode.send_replace(Mode::Runs);
    }

    /// GOAWAY to those who are connected; others may still come.
    pub(crate) fn drain(&self) {
        self.goaways.send_modify(|count| *count += 1);
    }

    /// In good order: no new connections, calls under way end.
    pub(crate) async fn stop(self) {
        self.mode.send_replace(Mode::Drains);
        let _ = self.listens.await;
    }

    /// Everything at once.
    pub(crate) fn kill(self) {
        self.listens.abort();
    }
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Shared) {
    let mut connections = JoinSet::new();
    let mut mode = shared.mode.clone();
    loop {
        let (stream, _) = tokio::select! {
            Ok(accepted) = listener.accept() => accepted,
            _ = mode.wait_for(|mode| *mode == Mode::Drains) => break,
        };
        let (tls, shared) = (tls.clone(), shared.clone());
        connections.spawn(async move {
            runs(&shared).await;
            match tls {
                None => serve(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn runs(shared: &Shared) {
    let _ = shared.mode.clone().wait_for(|mode| *mode != Mode::Pauses).await;
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Shared) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let _open = Arc::downgrade(&shared.open);
    let (mut mode, mut goaways) = (shared.mode.clone(), shared.goaways.clone());
    goaways.mark_unchanged();
    let (cut, mut is_cut) = watch::channel(false);
    let mut handlers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    handlers.spawn(handle(request, respond, shared.clone(), cut.clone()));
                }
                _ => return,
            },
            _ = is_cut.changed() => {
                // What was written goes out first.
                let _ = tokio::time::timeout(Duration::from_millis(20), poll_fn(|context| connection.poll_closed(context))).await;
                return;
            }
            Ok(()) = goaways.changed() => connection.graceful_shutdown(),
            Ok(()) = mode.changed() => {
                let now = *mode.borrow_and_update();
                match now {
                    Mode::Pauses => runs(&shared).await,
                    Mode::Drains => connection.graceful_shutdown(),
                    Mode::Runs => {}
                }
            }
        }
    }
}

async fn handle(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: Shared,
    cut: watch::Sender<bool>,
) {
    let (head, mut body) = request.into_parts();
    while let Some(data) = body.data().await {
        // No service is called with half a message.
        let Ok(data) = data else { return };
        let _ = body.flow_control().release_capacity(data.len());
    }
    shared.calls.fetch_add(1, Ordering::SeqCst);
    lock(&shared.heads).push(head.headers);
    let (reply, after) = *lock(&shared.reply);
    sleep(after).await;
    runs(&shared).await;
    let response = |status: Option<&'static str>| {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        if let Some(status) = status {
            response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
        }
        response
    };
    let unavailable_for = |millis: &'static str| {
        let mut response = response(Some("14"));
        response.headers_mut().insert("grpc-retry-pushback-ms", HeaderValue::from_static(millis));
        response
    };
    match reply {
        Reply::Ok => {
            let Ok(mut stream) = respond.send_response(response(None), false) else { return };
            // One empty message.
            let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = stream.send_trailers(trailers);
        }
        Reply::Status(status) => {
            let _ = respond.send_response(response(Some(status)), true);
        }
        Reply::UnavailableForGood => {
            let _ = respond.send_response(unavailable_for("-1"), true);
        }
        Reply::UnavailableFor(millis) => {
            let _ = respond.send_response(unavailable_for(millis), true);
        }
        Reply::Refusal(code, reason) => {
            let info = ErrorDetails::with_error_info(reason, "bookstore", []);
            let mut response = response(None);
            let status = Status::with_error_details(code, "refused", info);
            let _ = status.add_header(response.headers_mut());
            let _ = respond.send_response(response, true);
        }
        Reply::Refuse => respond.send_reset(Reason::REFUSED_STREAM),
        Reply::Cut => {
            cut.send_replace(true);
            std::future::pending::<()>().await;
        }
        Reply::CutAfterHeaders => {
            let _stream = respond.send_response(response(None), false);
            cut.send_replace(true);
            std::future::pending::<()>().await;
        }
        Reply::Never => std::future::pending().await,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
