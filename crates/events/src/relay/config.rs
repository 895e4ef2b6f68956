use std::time::Duration;

use secrecy::SecretString;

/// Whose outbox goes to which stream.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The service, `order`; its subjects are `bookstore.order.>`.
    pub service: &'static str,
    /// The stream, `ORDER`.
    pub stream: &'static str,
    /// For the connection that holds the advisory lock, which isn't one of the pool's.
    pub database_url: SecretString,
    /// How many servers keep a copy of the stream, if this relay is the one that makes it.
    pub replicas: usize,
}

/// How often the active relay looks by itself.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For rows that nobody told it of.
    pub poll: Duration,
    /// For rows that are older than those that it has seen unpublished lately.
    pub whole: Duration,
    /// Whether the stream is still what it was, while there is nothing to publish.
    pub compare: Duration,
    /// For rows to delete.
    pub delete: Duration,
    /// How many days after their first publication rows are deleted.
    pub keep_days: i32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(200),
            whole: Duration::from_secs(10),
            compare: Duration::from_secs(10),
            delete: Duration::from_mins(1),
            keep_days: 7,
        }
    }
}
