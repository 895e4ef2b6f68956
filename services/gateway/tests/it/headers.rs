use std::time::Duration;

use anyhow::{Context as _, Result};
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use hyper::body::Incoming;
use proto::{
    inventory::v1::{ListBooksRequest, ListBooksResponse},
    order::v1::{OrderStatus, WatchOrderRequest},
};
use tokio::time::timeout;
use tonic::{Code, body::Body};
use uuid::Uuid;

use crate::{
    harness::{Door, gateway},
    raw::{self, Http2},
    stub::{self, Stub},
};

const LIST: &str = "/bookstore.inventory.v1.InventoryService/ListBooks";
const WATCH: &str = "/bookstore.order.v1.OrderService/WatchOrder";

async fn listing() -> Result<Stub> {
    Stub::start(async |_| stub::answer(&ListBooksResponse::default())).await
}

/// The headers of the answer.
async fn call(door: &Door, headers: &[(&str, &str)]) -> Result<HeaderMap> {
    let mut client = Http2::connect(door.address()).await?;
    let response = client.call(LIST, headers, stub::once(&ListBooksRequest::default())).await?;
    let answered = response.headers().clone();
    assert_eq!(raw::code(&raw::whole(response).await?.1), Code::Ok);
    Ok(answered)
}

#[tokio::test]
async fn what_clients_may_not_say_does_not_reach_the_service() -> Result<()> {
    let stub = listing().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let forbidden = [
        ("l5d-client-id", "order.default.serviceaccount.identity.linkerd.cluster.local"),
        ("x-forwarded-client-cert", "URI=spiffe://bookstore.local/ns/default/sa/order"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-envoy-external-address", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("bookstore-service", "order"),
        ("bookstore-peer", "order"),
        ("baggage", "user=ada"),
        ("cookie", "session=1"),
    ];

    let kept = [("authorization", "Bearer nonsense"), ("mine", "1"), ("mine-bin", "AAEC")];
    call(&door, &[&forbidden[..], &kept[..]].concat()).await?;

    let reached = stub.last()?;
    for (name, _) in forbidden {
        assert!(!reached.contains_key(name), "{name}");
    }
    for (name, value) in kept {
        assert_eq!(reached.get(name).context(name)?, value);
    }
    Ok(())
}

#[tokio::test]
async fn headers_that_would_end_the_connection_to_the_service_are_not_passed_on() -> Result<()> {
    let stub = Stub::start(async |request: Request<Incoming>| {
        if request.uri().path() == LIST {
            return stub::answer(&ListBooksResponse::default());
        }
        let (frames, response) = stub::stream();
        let _ = frames.try_send(Ok(Frame::data(stub::framed(&OrderStatus::default()))));
        tokio::spawn(async move { frames.closed().await });
        response
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let mut watched = client.call(WATCH, &[], stub::once(&WatchOrderRequest::default())).await?;
    raw::frame(watched.body_mut()).await.context("no message")??;
    let asked = || stub::once(&ListBooksRequest::default());
    let (most, less) = ("x".repeat(12 << 10), "x".repeat(11 << 10));

    let over_http2 = client.call(LIST, &[("mine", &most)], asked()).await?;
    let web = [("content-type", "application/grpc-web"), ("mine", &most)];
    let framed = stub::framed(&ListBooksRequest::default());
    let over_http1 = raw::http1(door.address(), "POST", LIST, &web, &framed).await?;

    assert_eq!(raw::code(over_http2.headers()), Code::ResourceExhausted);
    assert!(over_http1.head.contains("grpc-status: 8"), "{}", over_http1.head);
    assert_eq!(stub.seen().len(), 1);
    let passed = client.call(LIST, &[("mine", &less)], asked()).await?;
    assert_eq!(raw::code(&raw::whole(passed).await?.1), Code::Ok);
    let silent = timeout(Duration::from_millis(50), raw::frame(watched.body_mut())).await;
    assert!(silent.is_err(), "what another watches has ended");
    Ok(())
}

#[tokio::test]
async fn what_is_between_services_and_gateway_does_not_reach_the_client() -> Result<()> {
    let stub = Stub::start(async |_| {
        let mut response = stub::answer(&ListBooksResponse::default());
        for name in ["l5d-server-id", "x-envoy-upstream-service-time", "bookstore-secret", "mine"] {
            response.headers_mut().insert(name, HeaderValue::from_static("1"));
        }
        response
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;

    let headers = call(&door, &[]).await?;

    for name in ["l5d-server-id", "x-envoy-upstream-service-time", "bookstore-secret"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["mine"], "1");
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_kept_passed_on_and_answered() -> Result<()> {
    let stub = listing().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let headers = call(&door, &[("x-request-id", "click-17")]).await?;
    assert_eq!(headers["x-request-id"], "click-17");
    assert_eq!(stub.last()?["x-request-id"], "click-17");
    Ok(())
}

#[tokio::test]
async fn a_request_id_that_is_none_is_replaced() -> Result<()> {
    let stub = listing().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    for headers in [&[][..], &[("x-request-id", "someone@example.org")]] {
        let answered = call(&door, headers).await?;
        let id = answered["x-request-id"].to_str()?.to_owned();
        assert_eq!(id.parse::<Uuid>()?.get_version_num(), 7);
        assert_eq!(stub.last()?["x-request-id"], id);
    }
    Ok(())
}

#[tokio::test]
async fn refusals_have_a_request_id_too() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let refused = client.call("/made.Up/Call", &[("x-request-id", "click-18")], Body::empty()).await?;
    assert_eq!(refused.headers()["x-request-id"], "click-18");
    Ok(())
}
