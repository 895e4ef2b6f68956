//! Calls made of bytes, for what a well-behaved client doesn't send or doesn't wait for.

use std::{net::SocketAddr, pin::pin};

use anyhow::{Context as _, Result};
use http::{HeaderMap, Request};
use http_body::Body as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::certificates;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{Status, body::Body};

use crate::shop::{Running, SOON};

pub(crate) const GET_ORDER: &str = "/bookstore.order.v1.OrderService/GetOrder";
pub(crate) const WATCH_ORDER: &str = "/bookstore.order.v1.OrderService/WatchOrder";

pub(crate) const RESERVE: &str = "/bookstore.inventory.v1.InventoryService/ReserveStock";

/// A connection on which a service has shown its certificate.
pub(crate) type Connected = TlsStream<TcpStream>;

/// Connects to a shop as `identity`.
pub(crate) async fn connect(address: SocketAddr, identity: &tls::Identity) -> Result<Connected> {
    let connector = TlsConnector::from(identity.client_config(&identity.id().sibling("shop")));
    let stream = TcpStream::connect(address).await?;
    Ok(connector.connect("shop".try_into()?, stream).await?)
}

/// The status that a signed-in user's call through the gateway ends with, and soon.
pub(crate) async fn call(
    shop: &Running,
    method: &str,
    headers: &[(&'static str, &str)],
    body: Vec<u8>,
) -> Result<Status> {
    let bearer = shop.bearer();
    let mut headers = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == bearer.0) {
        headers.push((bearer.0, &bearer.1));
    }
    call_as("gateway", shop.grpc, method, &headers, Body::new(axum::body::Body::from(body))).await
}

/// The status that a call of a service ends with, and soon.
pub(crate) async fn call_as(
    service: &str,
    address: SocketAddr,
    method: &str,
    headers: &[(&'static str, &str)],
    body: Body,
) -> Result<Status> {
    let stream = connect(address, &certificates()?.identity(service)?).await?;
    timeout(SOON, ended(stream, method, headers, body)).await.context("the call did not end")?
}

/// The status that a call over a connection ends with.
pub(crate) async fn ended(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    headers: &[(&'static str, &str)],
    body: Body,
) -> Result<Status> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post(format!("https://shop{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(body)?).await?;
    let (head, body) = response.into_parts();
    let mut trailers = HeaderMap::new();
    let mut body = pin!(body);
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        if let Ok(found) = frame?.into_trailers() {
            trailers = found;
        }
    }
    connection.abort();
    Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(&trailers))
        .context("the call ended without a status")
}

/// A message as it goes over the wire.
pub(crate) fn framed(message: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0], length.as_slice(), message].concat())
}

/// The answer to a plain GET: its first line and its body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let first = head.lines().next().unwrap_or_default();
    Ok((first.to_owned(), body.to_owned()))
}
