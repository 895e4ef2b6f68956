//! Services that answer what a test wants them to.

use std::{
    convert::Infallible,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Poller, Poll},
};

use anyhow::{Context as _, Result};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};

/// A service over plain HTTP/2; gone when dropped, and its connections with it.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Seen,
    _server: AbortOnDropHandle<()>,
}

type Seen = Arc<Mutex<Vec<(String, HeaderMap)>>>;

impl Stub {
    pub(crate) async fn start<F, A>(answer: F) -> Result<Self>
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Seen::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&seen), answer));
        Ok(Self { address, seen, _server: AbortOnDropHandle::new(server) })
    }

    pub(crate) fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// Paths and headers of what came, the oldest first.
    pub(crate) fn seen(&self) -> Vec<(String, HeaderMap)> {
        locked(&self.seen).clone()
    }

    /// The headers of the last call.
    pub(crate) fn last(&self) -> Result<HeaderMap> {
        Ok(self.seen().pop().context("no call came")?.1)
    }
}

fn locked(seen: &Seen) -> MutexGuard<'_, Vec<(String, HeaderMap)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve<F, A>(listener: TcpListener, seen: Seen, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (seen, answer) = (Arc::clone(&seen), answer.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            locked(&seen).push((request.uri().path().to_owned(), request.headers().clone()));
            let answer = answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        connections.spawn(async move {
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    framed_bytes(&message.encode_to_vec())
}

pub(crate) fn framed_bytes(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(message);
    bytes.freeze()
}

/// Answers with one message.
pub(crate) fn answer(message: &impl Message) -> Response<Body> {
    let (frames, response) = stream();
    // There is room for both.
    let _ = frames.try_send(Ok(Frame::data(framed(message))));
    let _ = frames.try_send(Ok(ok()));
    response
}

/// Trailers of success.
pub(crate) fn ok() -> Frame<Bytes> {
    Frame::trailers(
        [(header::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]
            .into_iter()
            .collect(),
    )
}

pub(crate) type Frames = mpsc::Sender<Result<Frame<Bytes>, Status>>;

/// An answer that is what is sent into it.
pub(crate) fn stream() -> (Frames, Response<Body>) {
    let (frames, received) = mpsc::channel(4);
    let mut response = Response::new(Body::new(Received(received)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    (frames, response)
}

struct Received(mpsc::Receiver<Result<Frame<Bytes>, Status>>);

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.poll_recv(context)
    }
}

/// A request's body of one message.
pub(crate) fn once(message: &impl Message) -> Body {
    let (frames, received) = mpsc::channel(1);
    let _ = frames.try_send(Ok(Frame::data(framed(message))));
    Body::new(Received(received))
}

/// Reads a request's whole body.
pub(crate) async fn read(mut body: Incoming) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(Ok(frame)) =
        std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut body), context)).await
    {
        if let Ok(chunk) = frame.into_data() {
            bytes.put(chunk);
        }
    }
    bytes.freeze()
}
