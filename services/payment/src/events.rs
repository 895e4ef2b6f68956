//! What happens elsewhere and concerns money, a file an event, and what is told of it.

mod on_order_cancelled;
mod on_order_placed;
mod on_order_returned;
mod on_user_deleted;
mod on_user_registered;
pub(crate) mod published;

pub(crate) use on_order_cancelled::OnOrderCancelled;
pub(crate) use on_order_placed::OnOrderPlaced;
pub(crate) use on_order_returned::OnOrderReturned;
pub(crate) use on_user_deleted::OnUserDeleted;
pub(crate) use on_user_registered::OnUserRegistered;

use std::collections::HashMap;

use events::{
    Delivery, HandleError,
    outbox::{Outgoing, TooLarge},
};
use tracing::Span;
use values::OrderId;

/// A reference that the event can't be without.
fn reference<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{field} {error}"))
}

/// Another transaction settled the same order at this moment.
fn settled_meanwhile() -> HandleError {
    HandleError::Conflict("an order was settled by another transaction".to_owned())
}

/// Events that are written for a batch.
fn written(
    events: impl IntoIterator<Item = Result<Outgoing, TooLarge>>,
) -> Result<Vec<Outgoing>, HandleError> {
    let events: Result<Vec<_>, _> = events.into_iter().collect();
    events.map_err(|error| HandleError::Failed(error.to_string()))
}

/// The trace of each order in a batch: what is told of an order goes on in its own, not in its neighbours'.
struct Traces<'a>(HashMap<OrderId, &'a Span>);

impl<'a> Traces<'a> {
    /// `orders` are what the deliveries of `batch` name, in their order.
    fn of<E>(orders: impl Iterator<Item = Option<OrderId>>, batch: &'a [(Delivery<E>, ())]) -> Self {
        let spans = batch.iter().map(|(delivery, ())| delivery.span());
        Self(orders.zip(spans).filter_map(|(order, span)| Some((order?, span))).collect())
    }

    fn go_on(&self, order: OrderId, event: Outgoing) -> Outgoing {
        match self.0.get(&order) {
            Some(span) => event.within(span),
            None => event,
        }
    }

    /// The order's trace, for what happens in it later.
    fn traceparent(&self, order: OrderId) -> Option<String> {
        self.0.get(&order).and_then(|span| telemetry::propagation::traceparent_of(span))
    }
}
