//! What a mesh's proxy says about the caller whose certificate it has checked.

use auth::Peer;

use super::Accounts;

/// Linkerd's, of which a workload can't set its own: the proxy replaces it.
pub(super) const LINKERD: &str = "l5d-client-id";
/// Envoy's. A proxy adds to it what the caller before it has shown.
pub(super) const ISTIO: &str = "x-forwarded-client-cert";

/// `order.default.serviceaccount.identity.linkerd.cluster.local`: account, namespace, the mesh's own namespace, trust
/// domain.
pub(super) fn linkerd(value: &str, accounts: &Accounts) -> Option<Peer> {
    let (account, of) = value.split_once(".serviceaccount.identity.")?;
    let (service, namespace) = account.split_once('.')?;
    let (_, trust_domain) = of.split_once('.')?;
    (namespace == accounts.namespace && trust_domain == accounts.trust_domain && !service.is_empty())
        .then(|| Peer::new(service))
}

/// `By=spiffe://…;Hash=…;Subject="…";URI=spiffe://cluster.local/ns/default/sa/order`, one such element a proxy on the way.
/// The last is that of the proxy in front of us, the only one that we can believe.
pub(super) fn istio(value: &str, accounts: &Accounts) -> Option<Peer> {
    let last = split(value, b',').last()?;
    let mut uris = split(last, b';').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case("uri").then(|| value.trim().trim_matches('"'))
    });
    let id: tls::SpiffeId = uris.next()?.parse().ok()?;
    let is_only = uris.next().is_none();
    let is_ours = id.namespace() == accounts.namespace && id.trust_domain() == accounts.trust_domain;
    (is_only && is_ours).then(|| Peer::new(id.service()))
}

/// Splits outside quotes, in which a subject may have any character.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut parts = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if byte == separator && !is_quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Accounts {
        Accounts { trust_domain: "cluster.local".to_owned(), namespace: "shop".to_owned() }
    }

    fn named(peer: Option<Peer>) -> Option<String> {
        peer.map(|peer| peer.service().to_owned())
    }

    #[test]
    fn linkerd_names_an_account_of_our_namespace() {
        let told = |value| named(linkerd(value, &shop()));
        assert_eq!(
            told("order.shop.serviceaccount.identity.linkerd.cluster.local").as_deref(),
            Some("order")
        );
        for other in [
            "order.other.serviceaccount.identity.linkerd.cluster.local",
            "order.shop.serviceaccount.identity.linkerd.elsewhere.local",
            "order.shop.serviceaccount",
            "order.shop",
            "",
            ".shop.serviceaccount",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn istio_names_the_caller_of_the_last_proxy() {
        let told = |value: &str| named(istio(value, &shop()));
        let order = "By=spiffe://cluster.local/ns/shop/sa/inventory;Hash=ab;Subject=\"\";URI=spiffe://cluster.local/ns/shop/sa/order";
        assert_eq!(told(order).as_deref(), Some("order"));
        assert_eq!(
            told(&format!("URI=spiffe://cluster.local/ns/shop/sa/payment,{order}")).as_deref(),
            Some("order")
        );
        assert_eq!(told("By=x;URI=spiffe://cluster.local/ns/other/sa/order"), None);
        assert_eq!(told("By=x;URI=spiffe://elsewhere.local/ns/shop/sa/order"), None);
        assert_eq!(told("By=x;Hash=ab"), None);
    }

    #[test]
    fn a_subject_cannot_pass_for_an_id() {
        let told = |value: &str| named(istio(value, &shop()));
        let forged = r#"Hash=ab;Subject="CN=a,URI=spiffe://cluster.local/ns/shop/sa/order;URI=spiffe://cluster.local/ns/shop/sa/order";URI=spiffe://cluster.local/ns/shop/sa/cart"#;
        assert_eq!(told(forged).as_deref(), Some("cart"));
        let escaped = r#"Subject="a\",URI=spiffe://cluster.local/ns/shop/sa/order"#;
        assert_eq!(told(escaped), None);
    }
}
