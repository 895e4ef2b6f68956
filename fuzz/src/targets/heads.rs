//! Heads of requests, as clients send them to the gateway.

use std::{net::IpAddr, sync::LazyLock};

use gateway::fuzzing::Heads;
use http::{HeaderMap, HeaderName, HeaderValue};
use values::RequestId;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "heads",
    about: "heads of requests, as the gateway reads and passes them on",
    longest: 16_384,
    run,
    examples: || {
        crate::texts(&[
            "/bookstore.order.v1.OrderService/PlaceOrder\ncontent-type: application/grpc\ngrpc-timeout: 2S\nx-request-id: 3f1c9a52-4c1e\nauthorization: Bearer eyJhbGciOiJub25lIn0.e30.",
            "/bookstore.events.v1.DeadLetters/List\nbookstore-service: order\nx-forwarded-for: 203.0.113.7, 10.0.0.1\nconnection: close, x-mine\nx-mine: 1",
            "/bookstore.inventory.v1.InventoryService/ReserveStock\nl5d-client-id: order.default.serviceaccount.identity.linkerd.cluster.local",
            "/bookstore.inventory.v1.InventoryService/ListBooks\nx-forwarded-for: [2001:db8::1]:4711\nx-forwarded-for: ::ffff:10.0.0.1\ngrpc-timeout: 99999999H\nx-request-id: a\nx-request-id: b",
        ])
    },
};

static HEADS: LazyLock<Heads> = LazyLock::new(|| Heads::new("10.0.0.0/8".parse().unwrap()).unwrap());

/// What no client may say to a service.
const TAKEN_OFF: [&str; 6] = ["l5d-", "x-envoy-", "x-forwarded-", "bookstore-", "x-b3-", "x-istio-"];

/// The path, and a header on each line that follows.
fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Some(path) = lines.next().and_then(text::of) else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.trim_ascii()), HeaderValue::from_bytes(value.trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    let _ = server::headers::timeout(&headers);
    let told: Option<RequestId> = server::headers::request_id(&headers);
    let said: Vec<_> = headers.get_all("x-forwarded-for").iter().cloned().collect();
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 7]));
    for peer in [proxy, stranger] {
        let mut onward = headers.clone();
        let Ok(passed) = HEADS.pass(path, &mut onward, peer) else { continue };
        assert_eq!(passed.path, path);
        assert!(told.as_ref().is_none_or(|told| told.as_str() == passed.request_id));
        assert!(passed.request_id.parse::<RequestId>().is_ok());
        assert!(peer == proxy || passed.client == peer, "a stranger says who it is: {said:?}");
        assert!(said.is_empty().then_some(passed.client).is_none_or(|client| client == peer));
        for name in onward.keys() {
            let name = name.as_str();
            assert!(!TAKEN_OFF.iter().any(|family| name.starts_with(family)), "{name} is passed on");
            assert!(
                !["cookie", "forwarded", "connection", "host", "upgrade"].contains(&name),
                "{name} is passed on"
            );
        }
        assert_eq!(onward.get_all("te").iter().count(), 1);
    }
}
