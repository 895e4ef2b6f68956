//! Whom a method admits, as the contract says beside it.

use auth::{
    Caller, Peer,
    policy::{Allow, Policies, Refused},
};
use fault::{Guard, is_off};
use tonic::Status;

use crate::status;

/// The policies of the services that are served.
pub(crate) struct Gate(pub(crate) Policies);

impl Gate {
    /// Whom the method at `path` admits.
    ///
    /// # Errors
    /// `UNIMPLEMENTED`: there is no such method here.
    pub(crate) fn find(&self, path: &str) -> Result<&Allow, Status> {
        self.0.of_method(path).ok_or_else(status::unknown_method)
    }

    /// Lets the caller pass, or says what it lacks.
    pub(crate) fn admit(allow: &Allow, caller: &Caller, peer: Option<&Peer>) -> Result<(), Status> {
        if is_off(Guard::Policy) {
            return Ok(());
        }
        allow.admits(caller, peer).map_err(|refused| match refused {
            Refused::SignIn => status::unauthenticated("SIGN_IN_REQUIRED"),
            Refused::Permission(missing) => status::permission_missing(missing),
            Refused::ServicesOnly => status::services_only(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    const RESERVE: &str = "/bookstore.inventory.v1.InventoryService/ReserveStock";
    const PLACE: &str = "/bookstore.order.v1.OrderService/PlaceOrder";

    fn refused(path: &str, peer: Option<&str>) -> Option<(Code, String)> {
        let gate = Gate(Policies::of(proto::FILE_DESCRIPTOR_SET).unwrap());
        let peer = peer.map(Peer::new);
        let outcome = gate.find(path).and_then(|allow| Gate::admit(allow, &Caller::Anonymous, peer.as_ref()));
        let reason =
            |status: &Status| status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        outcome.err().map(|status| (status.code(), reason(&status)))
    }

    #[test]
    fn what_is_for_services_admits_those_that_are_named() {
        let services_only = || Some((Code::PermissionDenied, "SERVICES_ONLY".to_owned()));
        assert_eq!(refused(RESERVE, Some("order")), None);
        assert_eq!(refused(RESERVE, Some("gateway")), services_only());
        assert_eq!(refused(RESERVE, None), services_only());
    }

    #[test]
    fn what_is_for_users_asks_for_a_sign_in_whichever_service_calls() {
        for peer in [None, Some("gateway"), Some("order")] {
            assert_eq!(refused(PLACE, peer), Some((Code::Unauthenticated, "SIGN_IN_REQUIRED".to_owned())));
        }
    }

    #[test]
    fn a_method_that_is_not_here_is_unimplemented() {
        for path in
            ["/bookstore.order.v1.OrderService/Burn", "", "/", "bookstore.order.v1.OrderService/PlaceOrder"]
        {
            let unknown = refused(path, Some("order"));
            assert_eq!(unknown, Some((Code::Unimplemented, "UNKNOWN_METHOD".to_owned())), "{path}");
        }
    }
}
