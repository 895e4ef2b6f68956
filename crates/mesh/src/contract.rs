//! What the contract says of each method.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodOptions, method_options::IdempotencyLevel};

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    read(proto::FILE_DESCRIPTOR_SET).unwrap_or_else(|error| {
        tracing::error!(%error, "the contract can't be read: no call is retried");
        HashMap::new()
    })
});

/// How a method may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// Calling it twice does no more than calling it once.
    pub(crate) is_idempotent: bool,
    pub(crate) client_streams: bool,
    pub(crate) server_streams: bool,
}

impl Method {
    /// Nothing is taken for granted of what the contract doesn't name.
    const UNKNOWN: Self = Self { is_idempotent: false, client_streams: true, server_streams: true };

    /// By the path of a request: `/bookstore.order.v1.OrderService/PlaceOrder`.
    pub(crate) fn of(path: &str) -> Self {
        METHODS.get(path).copied().unwrap_or(Self::UNKNOWN)
    }

    pub(crate) const fn is_unary(self) -> bool {
        !self.client_streams && !self.server_streams
    }
}

fn read(descriptors: &[u8]) -> Result<HashMap<String, Method>, prost::DecodeError> {
    let files = FileDescriptorSet::decode(descriptors)?.file;
    let mut methods = HashMap::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                let is_idempotent = level.is_some_and(|level| level != IdempotencyLevel::IdempotencyUnknown);
                let (client_streams, server_streams) = (method.client_streaming(), method.server_streaming());
                methods.insert(path, Method { is_idempotent, client_streams, server_streams });
            }
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_read() {
        let balance = Method::of("/bookstore.payment.v1.PaymentService/GetBalance");
        assert!(balance.is_idempotent && balance.is_unary());
        let sign_in = Method::of("/bookstore.identity.v1.IdentityService/AuthenticateUser");
        assert!(!sign_in.is_idempotent && sign_in.is_unary());
        let watch = Method::of("/bookstore.order.v1.OrderService/WatchOrder");
        assert!(watch.server_streams && !watch.client_streams);
    }

    #[test]
    fn a_method_that_is_not_known_is_never_repeated_nor_cut_short() {
        assert_eq!(Method::of("/made.up/One"), Method::UNKNOWN);
        assert!(!Method::UNKNOWN.is_idempotent && !Method::UNKNOWN.is_unary());
    }
}
