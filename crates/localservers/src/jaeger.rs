//! A private Jaeger, which takes traces and is asked for them.

use std::{
    env,
    ffi::OsString,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{cache, children, ports, programs};

/// A `jaeger` (2.x) to be used rather than any other.
const VARIABLE: &str = "BOOKSTORE_JAEGER";
const CONFIG: &str = include_str!("jaeger.yaml");
/// Of a busy machine.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(15);

/// Where a Jaeger listens on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JaegerPorts {
    /// Its pages, and the API behind them.
    pub pages: u16,
    /// The same over gRPC.
    pub queries: u16,
    /// OTLP over gRPC.
    pub spans: u16,
}

impl JaegerPorts {
    /// Those that everybody knows.
    pub const USUAL: Self = Self { pages: 16686, queries: 16685, spans: 4317 };

    fn free() -> Result<Self> {
        Ok(Self { pages: ports::free_port()?, queries: ports::free_port()?, spans: ports::free_port()? })
    }

    /// Where traces can be looked at.
    #[must_use]
    pub fn url(self) -> String {
        format!("http://127.0.0.1:{}", self.pages)
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn otlp_endpoint(self) -> String {
        format!("http://127.0.0.1:{}", self.spans)
    }

    /// Whether spans are taken and can be looked at.
    #[must_use]
    pub fn are_open(self) -> bool {
        [self.pages, self.spans].into_iter().all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
    }
}

/// A running Jaeger of ours, which keeps traces in memory. Stops when dropped.
#[derive(Debug)]
pub struct Jaeger {
    child: Child,
    ports: JaegerPorts,
}

impl Jaeger {
    /// The one that the environment names, one on PATH, or one in the user's cache folder for this project.
    #[must_use]
    pub fn find() -> Option<PathBuf> {
        let named = env::var_os(VARIABLE).map(PathBuf::from);
        let kept = || cache::programs().ok().map(|folder| folder.join("jaeger"));
        named.or_else(|| programs::find("jaeger")).or_else(kept).filter(|file| programs::is_program(file))
    }

    /// Adds to a command that starts one what makes it listen on these ports; writes its configuration to `folder`.
    pub fn configure(command: &mut Command, folder: &Path, ports: JaegerPorts) -> Result<()> {
        command.args(arguments(folder)?).envs(environment(ports));
        Ok(())
    }

    /// Starts `program` on free ports of 127.0.0.1; its configuration and its log are in `folder`.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let mut failure = None;
        // Another process may take a free port before it does.
        for _ in 0..5 {
            match Self::start_on(program, folder, JaegerPorts::free()?) {
                Ok(jaeger) => return Ok(jaeger),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.context("no attempt to start Jaeger")?)
    }

    fn start_on(program: &Path, folder: &Path, ports: JaegerPorts) -> Result<Self> {
        let log = folder.join("jaeger.log");
        let args = arguments(folder)?.into();
        let launch = children::Launch { program, args, log: &log, account: None, last_signal: "KILL" };
        let mut child = children::start_with(&launch, &environment(ports))?;
        children::wait_ready(&mut child, &log, START, || ports.are_open()).context("Jaeger did not start")?;
        Ok(Self { child, ports })
    }

    /// Where it listens.
    #[must_use]
    pub fn ports(&self) -> JaegerPorts {
        self.ports
    }
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        // It ends with this process anyway.
        let _ = children::stop(&mut self.child, "TERM", STOP);
    }
}

fn arguments(folder: &Path) -> Result<[OsString; 2]> {
    let config = folder.join("jaeger.yaml");
    fs::write(&config, CONFIG).with_context(|| format!("cannot write {}", config.display()))?;
    Ok(["--config".into(), format!("file:{}", config.display()).into()])
}

fn environment(ports: JaegerPorts) -> [(&'static str, String); 3] {
    [
        ("BOOKSTORE_JAEGER_PAGES", ports.pages.to_string()),
        ("BOOKSTORE_JAEGER_QUERIES", ports.queries.to_string()),
        ("BOOKSTORE_JAEGER_SPANS", ports.spans.to_string()),
    ]
}
