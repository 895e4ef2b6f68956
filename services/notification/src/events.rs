//! What happens elsewhere and concerns people, a file an event.

mod on_order_cancelled;
mod on_order_confirmed;
mod on_order_shipped;
mod on_payment_refunded;
mod on_user_registered;
mod tell;

pub(crate) use tell::{Newsworthy, Tell};

/// A reference that the event can't be without.
fn reference<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{field} {error}"))
}
