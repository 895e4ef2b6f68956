//! What an order is and what may become of it: no database, no clock, no network.

mod lines;
mod step;

pub(crate) use lines::{Line, TotalError, total};
pub(crate) use step::{CancelReason, Cause, Happening, PaymentState, Standing, State, StockState, step};
