//! Events as the broker delivers them: whoever can write into a stream chose their bytes.

use ::events::{Delivery, Event, fuzzing};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use proto::{
    identity::v1 as identity, inventory::v1 as inventory, order::v1 as order, payment::v1 as payment,
};

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "events",
    about: "events of every kind, headers and body",
    longest: 16_384,
    run,
    examples: || {
        let placed = order::OrderPlaced {
            order_id: "ord_01h455vb4pex5vsknk084sn02q".into(),
            user_id: "usr_01h455vb4pex5vsknk084sn02q".into(),
            ..Default::default()
        };
        let captured = payment::PaymentCaptured {
            order_id: "ord_01h455vb4pex5vsknk084sn02q".into(),
            ..Default::default()
        };
        vec![example(&placed), example(&captured), example(&identity::UserDeleted::default())]
    },
};

const HEADERS: &str = "ce-id: evt_01h455vb4pex5vsknk084sn02q\nce-subject: ord_01h455vb4pex5vsknk084sn02q\n\
    ce-sequence: 3\nce-time: 2026-11-21T10:00:00.123456Z\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n";

fn example(event: &impl prost::Message) -> Vec<u8> {
    [HEADERS.as_bytes(), b"\n", &event.encode_to_vec()].concat()
}

/// Headers, an empty line, and the body.
fn run(bytes: &[u8]) {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = at.map_or((&[][..], bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').filter_map(text::of) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.trim().parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    one::<identity::UserRegistered>(&headers, body);
    one::<identity::UserDeleted>(&headers, body);
    one::<identity::SessionRevoked>(&headers, body);
    one::<identity::AccessChanged>(&headers, body);
    one::<identity::ProfileUpdated>(&headers, body);
    one::<identity::AddressChanged>(&headers, body);
    one::<inventory::ShopMemberChanged>(&headers, body);
    one::<order::OrderPlaced>(&headers, body);
    one::<order::OrderConfirmed>(&headers, body);
    one::<order::OrderCancelled>(&headers, body);
    one::<order::OrderShipped>(&headers, body);
    one::<order::OrderDelivered>(&headers, body);
    one::<order::ReturnRequested>(&headers, body);
    one::<order::OrderReturned>(&headers, body);
    one::<payment::PaymentCaptured>(&headers, body);
    one::<payment::PaymentFailed>(&headers, body);
    one::<payment::PaymentRefunded>(&headers, body);
}

fn one<E: Event>(headers: &HeaderMap, body: &[u8]) {
    let shown = fuzzing::json(E::SUBJECT, body);
    match fuzzing::read::<E>(headers.clone(), body.to_vec()) {
        Ok(Delivery { event, .. }) => {
            let written = event.encode_to_vec();
            assert!(E::decode(written.as_slice()).is_ok_and(|again| again.encode_to_vec() == written));
            // Who looks after dead letters reads every event that a consumer can read.
            assert!(shown.is_some(), "{} can be read, and not be shown", E::SUBJECT);
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}
