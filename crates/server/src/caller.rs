//! Who calls, as the handlers ask for it.

use auth::{Caller, Customer, Peer};
use tonic::{Request, Status};

use crate::status;

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

/// The service that calls, or passes on a user's call; nothing where services aren't told apart.
pub fn peer<T>(request: &Request<T>) -> Option<&Peer> {
    request.extensions().get()
}
