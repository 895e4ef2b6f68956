//! Where traces go: a Jaeger that `up` starts, one that is there already, or nowhere.

use std::{env, path::PathBuf};

use localservers::{Jaeger, JaegerPorts};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PORTS: JaegerPorts = JaegerPorts::USUAL;

/// Where traces go.
#[derive(Debug)]
pub(crate) enum Traces {
    /// To a `jaeger` of this machine, which is started.
    Jaeger(PathBuf),
    /// To where the environment says.
    Elsewhere(String),
    /// Nowhere.
    NotCollected,
}

impl Traces {
    pub(crate) fn choose() -> Self {
        if let Ok(endpoint) = env::var(ENDPOINT)
            && !endpoint.is_empty()
        {
            return Self::Elsewhere(endpoint);
        }
        Jaeger::find().map_or(Self::NotCollected, Self::Jaeger)
    }

    /// The ports that what is started needs.
    pub(crate) fn ports(&self) -> &'static [u16] {
        match self {
            Self::Jaeger(_) => &[PORTS.pages, PORTS.queries, PORTS.spans],
            Self::Elsewhere(_) | Self::NotCollected => &[],
        }
    }

    /// What every service is told.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            // It takes no metrics.
            Self::Jaeger(_) => {
                vec![(ENDPOINT, PORTS.otlp_endpoint()), ("OTEL_METRICS_EXPORTER", "none".to_owned())]
            }
            // They inherit it.
            Self::Elsewhere(_) | Self::NotCollected => Vec::new(),
        }
    }

    /// Whether spans are taken and can be looked at.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Jaeger(_)) && PORTS.are_open()
    }

    /// For the table of addresses.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Jaeger(_) => format!("{}, of one command by `bookstore --trace`", PORTS.url()),
            Self::Elsewhere(endpoint) => format!("sent to {endpoint}"),
            Self::NotCollected => {
                format!("not collected: put `jaeger` (2.x) on PATH, or set {ENDPOINT}")
            }
        }
    }
}
