//! Whose calls they are, as far as limits and the log are concerned. The services judge for themselves.

use std::net::IpAddr;

use auth::Verifier;
use http::{HeaderMap, header::AUTHORIZATION};
use ipnet::IpNet;
use server::Network;
use values::{Clock, UserId};

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) kind: Kind,
    pub(crate) user: Option<UserId>,
    pub(crate) address: IpAddr,
    pub(crate) network: Network,
}

/// What the log says of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    User,
    Anonymous,
    /// With a token that is not valid, or that nobody can verify now.
    Unverified,
}

/// Tells callers apart.
#[derive(Debug)]
pub(crate) struct Callers {
    verifier: Verifier,
    clock: Clock,
    trusted_proxies: Vec<IpNet>,
}

impl Callers {
    pub(crate) const fn new(verifier: Verifier, clock: Clock, trusted_proxies: Vec<IpNet>) -> Self {
        Self { verifier, clock, trusted_proxies }
    }

    /// A token that isn't valid makes nobody a user, and is passed on: the service says what is wrong with it.
    pub(crate) async fn tell(&self, headers: &HeaderMap, stranger: Caller) -> Caller {
        let Some(shown) = headers.get(AUTHORIZATION) else { return stranger };
        let token =
            shown.to_str().ok().and_then(|shown| shown.split_once(' ')).map(|(_, token)| token.trim());
        let Some(token) = token else { return Caller { kind: Kind::Unverified, ..stranger } };
        match self.verifier.verify(token, self.clock.now()).await {
            Ok(customer) => Caller { kind: Kind::User, user: Some(customer.user_id), ..stranger },
            Err(_) => Caller { kind: Kind::Unverified, ..stranger },
        }
    }

    /// The last address that a trusted proxy has heard from, and without trusted proxies the peer.
    ///
    /// `x-forwarded-for` is read from its end: each proxy appends whom it heard, and what stands before that is only
    /// what somebody has told it.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let is_trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(address));
        let mut heard = peer.to_canonical();
        let told: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        // Hop by hop: what a client made of its part must not hide what a proxy appended.
        let hops = told.iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            match str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) {
                Some(hop) if is_trusted(&heard) => heard = hop,
                _ => break,
            }
        }
        heard
    }
}

impl Caller {
    pub(crate) const fn stranger(address: IpAddr) -> Self {
        Self { kind: Kind::Anonymous, user: None, address, network: Network::of(address) }
    }
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Anonymous => "anonymous",
            Self::Unverified => "unverified",
        }
    }
}

/// With a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| Some(hop.parse::<std::net::SocketAddr>().ok()?.ip()));
    let address = address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], forwarded: &[&str], peer: &str) -> String {
        let trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let callers = Callers::new(Verifier::with_keys(Vec::new()), Clock::system(), trusted_proxies);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        callers.client(&headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn nobody_is_believed_about_addresses_by_default() {
        assert_eq!(client(&[], &["203.0.113.7"], "198.51.100.1"), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], &["203.0.113.7"], "198.51.100.1"), "198.51.100.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_about_whom_it_heard_and_no_further() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client(&trusted, &["192.0.2.66, 203.0.113.7"], "10.1.1.1"), "203.0.113.7");
        assert_eq!(client(&trusted, &["192.0.2.66, 203.0.113.7, 10.2.2.2"], "10.1.1.1"), "203.0.113.7");
        assert_eq!(client(&trusted, &["192.0.2.66", "203.0.113.7"], "10.1.1.1"), "203.0.113.7");
        assert_eq!(client(&trusted, &["nonsense"], "10.1.1.1"), "10.1.1.1");
        assert_eq!(client(&trusted, &["näher, 203.0.113.7"], "10.1.1.1"), "203.0.113.7");
        assert_eq!(client(&trusted, &["203.0.113.7, näher"], "10.1.1.1"), "10.1.1.1");
        assert_eq!(client(&trusted, &[], "10.1.1.1"), "10.1.1.1");
        assert_eq!(client(&trusted, &["[2001:db8::1]:443"], "::ffff:10.1.1.1"), "2001:db8::1");
    }
}
