//! Who a service is, as certificates and the proxies of meshes write it.

use tls::SpiffeId;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "spiffe",
    about: "SPIFFE ids, and what the proxies of meshes say of callers",
    longest: 4096,
    run,
    examples: || {
        crate::texts(&[
            "spiffe://bookstore.local/ns/default/sa/order",
            "spiffe://bookstore.local/ns/../sa/order",
            "spiffe://Bookstore.local/ns/default/sa/order",
            "order.default.serviceaccount.identity.linkerd.cluster.local",
            "By=spiffe://cluster.local/ns/default/sa/payment;Hash=ab;Subject=\"CN=a,O=\\\"b;c\\\"\";URI=spiffe://cluster.local/ns/default/sa/order",
            "URI=spiffe://cluster.local/ns/default/sa/identity,URI=spiffe://cluster.local/ns/default/sa/order;DNS=x",
        ])
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    if let Some(id) = text::round_trip::<SpiffeId>(text) {
        assert_eq!(id.to_string(), text, "an id has one spelling");
        // What is compared must not be written in two ways (SPIFFE-ID, section 2.1).
        assert!(!id.trust_domain().contains(|letter: char| letter.is_ascii_uppercase()));
        let parts = SpiffeId::new(id.trust_domain(), id.namespace(), id.service());
        assert_eq!(parts.ok(), Some(id));
    }
    let named = server::fuzzing::named_by_proxies(text, "cluster.local", "default");
    for peer in named.iter().flatten() {
        assert!(text.contains(peer.service()), "{peer:?} is named by nobody");
        assert!(!peer.service().is_empty());
    }
}
