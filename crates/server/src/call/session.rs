//! How long the sign-in behind a call lasts.

use std::{pin::Pin, time::Duration};

use auth::{Caller, Customer};
use tonic::Status;

use super::identify::Callers;
use crate::status;

/// The sign-in of the user who calls, if one does.
pub(crate) struct Session(Option<SignedIn>);

struct SignedIn {
    revocations: auth::Revocations,
    customer: Customer,
    left: Duration,
}

/// Resolves when the sign-in ends, to what its user is told.
pub(crate) type End = Pin<Box<dyn Future<Output = Status> + Send>>;

impl Session {
    /// Of a call that has none.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(caller: &Caller, callers: &Callers) -> Self {
        let Caller::Customer(customer) = caller else { return Self::NONE };
        let left = customer.expires_at() + auth::Verifier::LEEWAY - callers.clock.now();
        Self(Some(SignedIn {
            revocations: callers.verifier.revocations().clone(),
            customer: customer.clone(),
            left: left.to_std().unwrap_or_default(),
        }))
    }

    /// Ends with the token or when it is revoked, whichever is first; never, for a call without a user.
    ///
    /// With the token too, since a stream would otherwise outlast, without limit, a revocation that this replica missed
    /// while it was cut off from the broker.
    pub(crate) fn end(&self) -> Option<End> {
        let SignedIn { revocations, customer, left } = self.0.as_ref()?;
        let (revocations, customer, left) = (revocations.clone(), customer.clone(), *left);
        Some(Box::pin(async move {
            tokio::select! {
                () = revocations.revoked(&customer) => status::unauthenticated("SESSION_REVOKED"),
                () = tokio::time::sleep(left) => status::unauthenticated("TOKEN_EXPIRED"),
            }
        }))
    }
}

#[cfg(test)]
pub(crate) mod tests;
