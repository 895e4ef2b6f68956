//! What an order is and what may become of it: no database, no clock, no network.

pub(crate) mod fulfilment;
mod lines;
mod names;
mod order;
pub(crate) mod returns;
mod shipment;
mod states;
mod step;

pub(crate) use lines::{Line, TotalError, shops, total};
pub(crate) use order::{NewOrder, Order, PaymentMethod, ShippingAddress, Status, Step};
pub(crate) use returns::{Return, ReturnError, ReturnState};
pub(crate) use shipment::{Shipment, ShipmentState};
pub(crate) use states::{Actor, CancelReason, FailureReason, PaymentState, State, StockState};
pub(crate) use step::{Effect, Happening, Standing, step};
