use std::{fmt, str::FromStr};

/// Who a service is: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, as service meshes write it.
///
/// The service account has the service's name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SpiffeId {
    trust_domain: String,
    namespace: String,
    service: String,
}

/// The text is no SPIFFE id of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be like spiffe://bookstore.example/ns/default/sa/order")]
pub struct SpiffeIdError;

/// The longest SPIFFE id (SPIFFE-ID, section 2.3).
const LONGEST: usize = 2048;

impl SpiffeId {
    /// Of a service in a namespace of a trust domain.
    ///
    /// # Errors
    /// A part that SPIFFE doesn't allow.
    pub fn new(trust_domain: &str, namespace: &str, service: &str) -> Result<Self, SpiffeIdError> {
        format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service}").parse()
    }

    /// Whose ids these are: `bookstore.example`.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The Kubernetes namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The service: `order`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Another service beside this one.
    #[must_use]
    pub fn sibling(&self, service: &str) -> Self {
        Self { service: service.to_owned(), ..self.clone() }
    }

    /// Whether both are of one trust domain and namespace.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.trust_domain == other.trust_domain && self.namespace == other.namespace
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        let parts: Vec<&str> = text.strip_prefix("spiffe://").ok_or(SpiffeIdError)?.split('/').collect();
        match parts[..] {
            [trust_domain, "ns", namespace, "sa", service]
                if text.len() <= LONGEST
                    && is_trust_domain(trust_domain)
                    && is_segment(namespace)
                    && is_segment(service) =>
            {
                Ok(Self {
                    trust_domain: trust_domain.to_owned(),
                    namespace: namespace.to_owned(),
                    service: service.to_owned(),
                })
            }
            _ => Err(SpiffeIdError),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trust_domain, namespace, service } = self;
        write!(formatter, "spiffe://{trust_domain}/ns/{namespace}/sa/{service}")
    }
}

/// Lower case only (SPIFFE-ID, section 2.1).
fn is_trust_domain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
}

/// No escapes, no dots alone (SPIFFE-ID, section 2.2).
fn is_segment(text: &str) -> bool {
    !["", ".", ".."].contains(&text)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_and_written_back() {
        let text = "spiffe://bookstore.local/ns/default/sa/order";
        let id: SpiffeId = text.parse().unwrap();
        assert_eq!(
            (id.trust_domain(), id.namespace(), id.service()),
            ("bookstore.local", "default", "order")
        );
        assert_eq!(id.to_string(), text);
        assert_eq!(id.sibling("payment").to_string(), "spiffe://bookstore.local/ns/default/sa/payment");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "spiffe://",
            "https://bookstore.local/ns/default/sa/order",
            "spiffe:///ns/default/sa/order",
            "spiffe://Bookstore.local/ns/default/sa/order",
            "spiffe://bookstore.local:80/ns/default/sa/order",
            "spiffe://bookstore.local/ns/default/sa/",
            "spiffe://bookstore.local/ns/../sa/order",
            "spiffe://bookstore.local/ns/default/sa/order/",
            "spiffe://bookstore.local/ns/default/sa/or%64er",
            "spiffe://bookstore.local/order",
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(SpiffeIdError), "{text}");
        }
    }
}
