use std::{path::PathBuf, time::Duration};

use testkit::Database;

use crate::Service;

/// How a shop is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long stock is held for an unpaid order.
    pub reservation_ttl: Duration,
    /// How long a payment may take.
    pub payment_deadline: Duration,
    /// Whether the databases are behind gates that a test can close.
    pub gates: bool,
    /// Databases for these services, rather than new ones.
    pub databases: Vec<(Service, Database)>,
    /// Whether services reach each other and the broker through gates too; only with one replica of each.
    pub links: bool,
    /// Whether there is somebody who collects traces.
    pub collector: bool,
    /// How many processes each service has: at most 200. Of several, callers learn by its name.
    pub replicas: usize,
    /// Variables of every process, beside or instead of the usual ones.
    pub variables: Vec<(&'static str, String)>,
    /// The folder with the services' programs; those built with the test if `None`.
    pub programs: Option<PathBuf>,
    /// Points at which services are to die in their very first life; then nobody waits for them to be ready.
    pub armed: Vec<(Service, String)>,
}

impl Options {
    pub(crate) fn armed(&self, service: Service) -> impl Iterator<Item = &str> {
        self.armed.iter().filter(move |(armed, _)| *armed == service).map(|(_, point)| point.as_str())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reservation_ttl: Duration::from_mins(15),
            payment_deadline: Duration::from_mins(2),
            gates: false,
            databases: Vec::new(),
            links: false,
            collector: false,
            replicas: 1,
            variables: Vec::new(),
            programs: None,
            armed: Vec::new(),
        }
    }
}
