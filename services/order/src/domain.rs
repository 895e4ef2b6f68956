//! What an order is and what may become of it: no database, no clock, no network.

mod lines;
mod names;
mod order;
mod step;

pub(crate) use lines::{Line, TotalError, total};
pub(crate) use order::{NewOrder, Order, PaymentMethod, ShippingAddress, Status, Step};
pub(crate) use step::{
    Actor, CancelReason, Effect, Happening, PaymentState, Standing, State, StockState, step,
};
