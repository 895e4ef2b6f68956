//! Who calls, as the handlers ask for it.

use auth::{Caller, Customer};
use tonic::{Request, Status};

use crate::status;

/// Among a request's extensions: it showed the secret that services share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer;

/// The signed-in user who calls.
///
/// # Errors
/// `UNAUTHENTICATED`: nobody is signed in.
pub fn customer<T>(request: &Request<T>) -> Result<Customer, Status> {
    match request.extensions().get() {
        Some(Caller::Customer(customer)) => Ok(customer.clone()),
        Some(Caller::Anonymous) | None => Err(status::unauthenticated("SIGN_IN_REQUIRED")),
    }
}

/// Lets only other services pass.
///
/// # Errors
/// `PERMISSION_DENIED`: a user calls, signed in or not.
pub fn service_only<T>(request: &Request<T>) -> Result<(), Status> {
    match request.extensions().get() {
        Some(Peer) => Ok(()),
        None => Err(status::permission_denied("SERVICES_ONLY", "only services of the shop may call this")),
    }
}
