use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use crate::Service;

/// Where everything is that is looked at.
#[derive(Clone)]
pub struct Access {
    /// Postgres URLs.
    pub databases: BTreeMap<Service, String>,
    /// The broker; without it the streams are not looked at.
    pub nats_url: Option<String>,
    /// Whose certificates of the broker are believed; with it, nothing is asked without TLS.
    pub nats_roots: Option<PathBuf>,
    /// How long one statement may take.
    pub statement_timeout: Duration,
}

/// URLs carry passwords.
impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let databases: Vec<_> = self.databases.keys().collect();
        formatter
            .debug_struct("Access")
            .field("databases", &databases)
            .field("has_broker", &self.nats_url.is_some())
            .finish_non_exhaustive()
    }
}
