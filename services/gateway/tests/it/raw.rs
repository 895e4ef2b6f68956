//! Clients that say what tonic's would not: bare HTTP/2 and HTTP/1.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;

/// An HTTP/2 connection; gone when dropped.
pub(crate) struct Http2 {
    sender: hyper::client::conn::http2::SendRequest<Body>,
    address: SocketAddr,
    _connection: AbortOnDropHandle<()>,
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender, address, _connection: AbortOnDropHandle::new(connection) })
    }

    /// A gRPC call with further headers.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = self.sender.send_request(request.body(body)?);
        Ok(timeout(Duration::from_secs(10), answered).await.context("no answer")??)
    }
}

/// The next frame of an answer.
pub(crate) async fn frame(body: &mut Incoming) -> Option<Result<http_body::Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut *body), context)).await
}

/// All of an answer: its bytes, and the trailers, or the headers if the status stood there.
pub(crate) async fn whole(response: Response<Incoming>) -> Result<(Bytes, HeaderMap)> {
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut ended) = (BytesMut::new(), parts.headers);
    while let Some(frame) = frame(&mut body).await {
        match frame?.into_data() {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(frame) => ended = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok((bytes.freeze(), ended))
}

/// `grpc-status`.
pub(crate) fn code(headers: &HeaderMap) -> tonic::Code {
    tonic::Code::from_bytes(headers.get("grpc-status").map_or(b"", |code| code.as_bytes()))
}

/// What was answered over HTTP/1.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// One request over HTTP/1.
pub(crate) async fn http1(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Http1> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no headers")?;
    let head = String::from_utf8(answer[..end].to_vec())?.to_ascii_lowercase();
    let status = head.split_whitespace().nth(1).context("no status")?.parse()?;
    let body = &answer[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") { dechunked(body)? } else { body.to_vec() };
    Ok(Http1 { status, head, body })
}

fn dechunked(mut chunks: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").context("no chunk")?;
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end])?, 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(chunks.get(end + 2..end + 2 + size).context("a chunk is missing")?);
        chunks = &chunks[end + 4 + size..];
    }
}
