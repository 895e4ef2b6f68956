//! Where traces go: a Jaeger that `up` starts, one that is there already, or nowhere.

use std::{
    env,
    net::TcpStream,
    path::{Path, PathBuf},
};

use super::services::address;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// These are those of `jaeger.yaml`.
const PAGES: u16 = 16686;
const OTLP: u16 = 4317;

/// Where traces go.
#[derive(Debug)]
pub(crate) enum Traces {
    /// To a `jaeger` on PATH, which is started.
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
        on_path("jaeger").map_or(Self::NotCollected, Self::Jaeger)
    }

    /// The ports that what is started needs.
    pub(crate) fn ports(&self) -> &'static [u16] {
        match self {
            Self::Jaeger(_) => &[PAGES, OTLP],
            Self::Elsewhere(_) | Self::NotCollected => &[],
        }
    }

    /// What every service is told.
    pub(crate) fn environment(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Jaeger(_) => Some((ENDPOINT, format!("http://{}", address(OTLP)))),
            // They inherit it.
            Self::Elsewhere(_) | Self::NotCollected => None,
        }
    }

    /// Whether spans are taken and can be looked at.
    pub(crate) fn is_ready(&self) -> bool {
        self.ports().iter().all(|port| TcpStream::connect(address(*port)).is_ok())
    }

    /// For the table of addresses.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Jaeger(_) => format!("http://{}", address(PAGES)),
            Self::Elsewhere(endpoint) => format!("sent to {endpoint}"),
            Self::NotCollected => {
                format!("not collected: put `jaeger` (2.x) on PATH, or set {ENDPOINT}")
            }
        }
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
