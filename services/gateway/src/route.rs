//! Which service answers which method, as the contract says.

use std::collections::HashMap;

use auth::policy::{self, Allow, Policies};
use http::HeaderMap;
use prost_reflect::{DescriptorError, DescriptorPool, prost_types::method_options::IdempotencyLevel};
use tonic::Status;

use crate::status;

/// The metadata that says which service is meant where each has the method.
pub(crate) const SERVICE: &str = "bookstore-service";

/// The services behind the gateway: those of the packages `bookstore.<name>.v1`.
pub(crate) const UPSTREAMS: [&str; 5] = ["identity", "inventory", "order", "payment", "notification"];

/// Whether the gateway is well, and the news of it.
pub(crate) const HEALTH: &str = "grpc.health.v1.Health/Check";
pub(crate) const HEALTH_NEWS: &str = "grpc.health.v1.Health/Watch";

/// The one method of reflection.
pub(crate) const REFLECTION: &str = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// Packages whose services each upstream serves for itself.
const SHARED: [&str; 1] = ["events"];

/// Methods that check a password although their callers are signed in already.
const CHECK_PASSWORDS: [&str; 3] = [
    "/bookstore.identity.v1.IdentityService/ChangePassword",
    "/bookstore.identity.v1.IdentityService/DeleteUser",
    "/bookstore.identity.v1.IdentityService/UpdateUser",
];

/// Every method that clients may call.
#[derive(Debug)]
pub(crate) struct Routes(HashMap<String, Method>);

/// A method of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Method {
    to: Destination,
    pub(crate) shape: Shape,
    /// Whoever comes from the street can make the shop work: sign in, register; whoever holds a token can guess the
    /// password behind it.
    pub(crate) is_open_to_abuse: bool,
}

/// How many messages go which way: one, or a stream of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(crate) asks_once: bool,
    pub(crate) answers_once: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Destination {
    /// An index into [`UPSTREAMS`].
    One(usize),
    /// The caller says which.
    Any,
}

/// Why there is no routing table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Policy(#[from] policy::Error),
    #[error("the contract can't be read: {0}")]
    Contract(#[from] DescriptorError),
    /// A new service of the contract needs its place here.
    #[error("no service behind the gateway answers {0}")]
    Nowhere(String),
}

impl Routes {
    /// Reads an encoded `FileDescriptorSet`. Methods that are only for services have no route.
    pub(crate) fn of(contract: &[u8]) -> Result<Self, Error> {
        let pool = DescriptorPool::decode(contract)?;
        let mut routes = HashMap::new();
        for method in Policies::of(contract)?.iter().filter(|method| method.allow.is_public()) {
            let to = destination(&method.service).ok_or_else(|| Error::Nowhere(method.service.clone()))?;
            let shape =
                Shape { asks_once: !method.is_client_streaming, answers_once: !method.is_server_streaming };
            let changes_nothing = pool
                .get_service_by_name(&method.service)
                .and_then(|service| service.methods().find(|known| known.name() == method.name))
                .and_then(|known| {
                    Some(known.method_descriptor_proto().options.as_ref()?.idempotency_level())
                })
                == Some(IdempotencyLevel::NoSideEffects);
            let path = method.path();
            let is_open_to_abuse = (method.allow == Allow::Anyone && !changes_nothing)
                || CHECK_PASSWORDS.contains(&path.as_str());
            routes.insert(path, Method { to, shape, is_open_to_abuse });
        }
        Ok(Self(routes))
    }

    /// What methods are called in metrics and traces; all others are alike.
    pub(crate) fn names(&self) -> Vec<String> {
        let about = [HEALTH, HEALTH_NEWS, REFLECTION].map(str::to_owned);
        self.0.keys().map(|path| path.trim_start_matches('/').to_owned()).chain(about).collect()
    }

    /// The path and the method at it.
    ///
    /// # Errors
    /// `UNIMPLEMENTED`: clients know no such method.
    pub(crate) fn find(&self, path: &str) -> Result<(&str, Method), Status> {
        self.0
            .get_key_value(path)
            .map(|(path, method)| (path.as_str(), *method))
            .ok_or_else(status::unknown_method)
    }
}

impl Shape {
    pub(crate) const fn is_unary(self) -> bool {
        self.asks_once && self.answers_once
    }
}

impl Method {
    /// Which of [`UPSTREAMS`] to ask.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: each has the method, and the metadata doesn't say which is meant.
    pub(crate) fn upstream(self, headers: &HeaderMap) -> Result<usize, Status> {
        match self.to {
            Destination::One(upstream) => Ok(upstream),
            Destination::Any => {
                let mut named = headers.get_all(SERVICE).iter();
                match (named.next(), named.next()) {
                    (Some(name), None) => {
                        UPSTREAMS.iter().position(|known| known.as_bytes() == name.as_bytes())
                    }
                    _ => None,
                }
                .ok_or_else(|| status::which_service(SERVICE, &UPSTREAMS))
            }
        }
    }
}

/// From `bookstore.order.v1.OrderService`.
fn destination(service: &str) -> Option<Destination> {
    let mut parts = service.split('.');
    let package = (parts.next() == Some("bookstore")).then(|| parts.next()).flatten()?;
    if SHARED.contains(&package) {
        return Some(Destination::Any);
    }
    UPSTREAMS.iter().position(|upstream| *upstream == package).map(Destination::One)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn routes() -> Routes {
        Routes::of(proto::FILE_DESCRIPTOR_SET).unwrap()
    }

    fn upstream(path: &str, headers: &HeaderMap) -> Result<&'static str, Status> {
        routes().find(path)?.1.upstream(headers).map(|upstream| UPSTREAMS[upstream])
    }

    #[test]
    fn a_method_goes_to_the_service_that_its_package_names() {
        for (path, service) in [
            ("/bookstore.identity.v1.IdentityService/GetUser", "identity"),
            ("/bookstore.inventory.v1.InventoryService/ListBooks", "inventory"),
            ("/bookstore.order.v1.OrderService/PlaceOrder", "order"),
            ("/bookstore.payment.v1.PaymentService/TopUp", "payment"),
            ("/bookstore.notification.v1.NotificationService/ListDeliveries", "notification"),
        ] {
            assert_eq!(upstream(path, &HeaderMap::new()).unwrap(), service);
        }
    }

    #[test]
    fn methods_for_services_and_unknown_ones_are_alike() {
        let refusals = [
            "/bookstore.inventory.v1.InventoryService/ReserveStock",
            "/bookstore.inventory.v1.InventoryService/MakeUp",
            "/",
        ]
        .map(|path| upstream(path, &HeaderMap::new()).unwrap_err());
        assert_eq!(refusals[0].code(), tonic::Code::Unimplemented);
        for other in &refusals[1..] {
            assert_eq!((other.message(), other.details()), (refusals[0].message(), refusals[0].details()));
        }
    }

    #[test]
    fn what_each_service_has_goes_where_the_metadata_says() {
        let path = "/bookstore.events.v1.DeadLetters/List";
        let mut headers = HeaderMap::new();
        assert_eq!(upstream(path, &headers).unwrap_err().code(), tonic::Code::InvalidArgument);
        headers.insert(SERVICE, HeaderValue::from_static("payment"));
        assert_eq!(upstream(path, &headers).unwrap(), "payment");
        headers.append(SERVICE, HeaderValue::from_static("order"));
        assert_eq!(upstream(path, &headers).unwrap_err().code(), tonic::Code::InvalidArgument);
        headers.insert(SERVICE, HeaderValue::from_static("gateway"));
        assert_eq!(upstream(path, &headers).unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn what_signs_in_or_checks_a_password_is_told_from_the_rest() {
        let Routes(routes) = routes();
        let mut open: Vec<_> = routes.iter().filter(|(_, method)| method.is_open_to_abuse).collect();
        open.sort_by_key(|(path, _)| *path);
        let paths: Vec<_> = open.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/bookstore.identity.v1.IdentityService/AuthenticateUser",
                "/bookstore.identity.v1.IdentityService/ChangePassword",
                "/bookstore.identity.v1.IdentityService/CreateUser",
                "/bookstore.identity.v1.IdentityService/DeleteUser",
                "/bookstore.identity.v1.IdentityService/RefreshToken",
                "/bookstore.identity.v1.IdentityService/UpdateUser",
            ]
        );
    }

    #[test]
    fn streams_are_told_from_unary_methods() {
        let is_unary = |path| routes().find(path).unwrap().1.shape.is_unary();
        assert!(is_unary("/bookstore.order.v1.OrderService/GetOrder"));
        assert!(!is_unary("/bookstore.order.v1.OrderService/WatchOrder"));
    }

    #[test]
    fn a_package_that_nobody_serves_has_no_destination() {
        assert_eq!(destination("bookstore.gossip.v1.Gossip"), None);
        assert_eq!(destination("other.order.v1.OrderService"), None);
    }
}
