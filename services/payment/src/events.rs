//! What happens elsewhere and concerns money, a file an event, and what is told of it.

mod on_order_cancelled;
mod on_order_placed;
mod on_user_deleted;
mod on_user_registered;
mod published;

pub(crate) use on_order_cancelled::OnOrderCancelled;
pub(crate) use on_order_placed::OnOrderPlaced;
pub(crate) use on_user_deleted::OnUserDeleted;
pub(crate) use on_user_registered::OnUserRegistered;

use events::HandleError;

/// A reference that the event can't be without.
fn reference<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{field} {error}"))
}

/// Another transaction settled the same order at this moment.
fn settled_meanwhile() -> HandleError {
    HandleError::Conflict("an order was settled by another transaction".to_owned())
}
