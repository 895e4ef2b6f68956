//! Calling another service: where its replicas are, which of them to ask, how long to wait, when to ask again.
//!
//! A [`Client`] goes where a tonic channel would: `InventoryServiceClient::new(client)`. From the outside in, a call
//! passes the client span, the deadline, the service's breaker, retries within a budget, the choice of an endpoint (power
//! of two choices on peak-EWMA latency, without the outliers), and one of that endpoint's HTTP/2 connections.
//!
//! What decides is in pure state machines that are told the time: `balance`, `outlier`, `breaker`, `budget`, `retry`.

mod answer;
mod attempt;
mod balance;
mod breaker;
mod budget;
mod client;
mod connection;
mod contract;
mod deadline;
mod dice;
mod endpoint;
mod endpoints;
mod lent;
mod metrics;
mod outlier;
mod payload;
mod policy;
mod reach;
mod resolve;
mod retry;
mod target;

pub use breaker::BreakerPolicy;
pub use budget::BudgetPolicy;
pub use client::Client;
pub use deadline::{parse_timeout, until};
pub use outlier::OutlierPolicy;
pub use policy::Policy;
pub use reach::Reach;
pub use resolve::kubernetes::{Kubernetes, Place};
pub use retry::RetryPolicy;
pub use target::{ServicePort, Target, TargetError};
