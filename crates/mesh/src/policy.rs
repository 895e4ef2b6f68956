//! What the caller of a service decides.

use std::time::Duration;

use crate::{BreakerPolicy, BudgetPolicy, Kubernetes, OutlierPolicy, RetryPolicy};

/// How a service is called.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a unary call may take, all attempts together; a caller may ask for less. Streams last as long as their
    /// caller says.
    pub timeout: Duration,
    /// Who has waited for so long when the deadline passes holds it against the service; half of the deadline is enough.
    pub patience: Duration,
    /// How long a connection may take to be made, handshakes included: a replica that has just come shares its node's
    /// processors with all that come beside it.
    pub connect_timeout: Duration,
    /// HTTP/2 connections to each endpoint.
    pub connections_per_endpoint: usize,
    /// How often and how soon a call is tried again.
    pub retry: RetryPolicy,
    /// How much trying again is allowed, over all calls.
    pub budget: BudgetPolicy,
    /// When the service isn't asked any more.
    pub breaker: BreakerPolicy,
    /// When one of its endpoints isn't.
    pub outlier: OutlierPolicy,
    /// Where `k8s:///` targets are looked up, and in which zone endpoints come first.
    pub kubernetes: Kubernetes,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            patience: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            connections_per_endpoint: 2,
            retry: RetryPolicy::default(),
            budget: BudgetPolicy::default(),
            breaker: BreakerPolicy::default(),
            outlier: OutlierPolicy::default(),
            kubernetes: Kubernetes::default(),
        }
    }
}
