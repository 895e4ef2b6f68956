//! A private NATS server with JetStream.

mod install;

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{Progress, account, children, ports, programs};

const OLDEST: (u32, u32) = (2, 12);
const IMAGE: &str = "nats:2.12";
/// Recovering a large store takes seconds.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(15);

/// A `nats-server` that is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsBinary {
    /// The program.
    Program(PathBuf),
    /// Docker's official image.
    Docker,
}

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// The folder with its streams, its configuration and its log; made if missing.
    pub store: PathBuf,
    /// The port to listen on; a free one if `None`.
    pub port: Option<u16>,
    /// More lines of the server's configuration file: `max_payload: 8MB`.
    pub config: String,
}

/// A running NATS server of ours. Stops when dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
    options: NatsOptions,
    binary: NatsBinary,
    container: Option<String>,
}

impl NatsOptions {
    /// A server on a free port, with its streams in `store`.
    #[must_use]
    pub fn new(store: &Path) -> Self {
        Self { store: store.to_owned(), port: None, config: String::new() }
    }
}

impl NatsBinary {
    /// Starts a server on 127.0.0.1.
    pub fn start(&self, options: NatsOptions) -> Result<Nats> {
        fs::create_dir_all(&options.store)
            .with_context(|| format!("cannot make {}", options.store.display()))?;
        let mut failure = None;
        // Another process may take a free port before the server does.
        for _ in 0..if options.port.is_some() { 1 } else { 5 } {
            let port = match options.port {
                Some(port) => port,
                None => ports::free_port()?,
            };
            match self.start_on(port, &options) {
                Ok((child, container)) => {
                    return Ok(Nats { child, port, options, binary: self.clone(), container });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.context("no attempt to start NATS")?)
    }

    fn start_on(&self, port: u16, options: &NatsOptions) -> Result<(Child, Option<String>)> {
        let (store, log) = (&options.store, options.store.join("nats-server.log"));
        let config = store.join("nats-server.conf");
        let (host, inner_port, inner_store) = match self {
            Self::Program(_) => ("127.0.0.1", port, store.display().to_string()),
            Self::Docker => ("0.0.0.0", 4222, "/data".to_owned()),
        };
        fs::write(
            &config,
            format!(
                "server_name: bookstore\nhost: {host:?}\nport: {inner_port}\njetstream {{ store_dir: {inner_store:?} }}\n{}\n",
                options.config
            ),
        )?;
        let (program, args, container) = match self {
            Self::Program(program) => (program.clone(), vec!["-c".into(), config.into()], None),
            Self::Docker => {
                let name = format!("bookstore-nats-{}", account::unique()?);
                let mut args: Vec<OsString> = ["run", "--rm", "--name", &name].map(Into::into).into();
                args.extend(["-p".into(), format!("127.0.0.1:{port}:4222").into()]);
                args.extend(["-v".into(), format!("{}:/data", store.display()).into()]);
                args.extend([IMAGE, "-c", "/data/nats-server.conf"].map(Into::into));
                (programs::find("docker").context("docker is not on PATH")?, args, Some(name))
            }
        };
        let mut child = children::start(&children::Launch {
            program: &program,
            args,
            log: &log,
            account: None,
            last_signal: "TERM",
        })?;
        children::wait_ready(&mut child, &log, START, || greets(port))
            .with_context(|| format!("NATS did not start on port {port}"))?;
        Ok((child, container))
    }
}

impl Nats {
    /// Finds a `nats-server` (2.12 or newer), or installs one.
    pub fn locate() -> Result<NatsBinary> {
        Self::locate_telling(&|_| ())
    }

    /// As [`Nats::locate`]; tells what takes long.
    pub fn locate_telling(progress: Progress<'_>) -> Result<NatsBinary> {
        install::locate(progress)
    }

    /// Finds or installs `nats-server` and starts one on 127.0.0.1.
    pub fn start(options: NatsOptions) -> Result<Self> {
        Self::locate()?.start(options)
    }

    /// `nats://127.0.0.1:…`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on: the same after every start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder with its streams.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.options.store
    }

    /// Whether the server runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the server and lets it write what it holds.
    pub fn stop(&mut self) -> Result<()> {
        children::stop(&mut self.child, "TERM", STOP)
    }

    /// Ends the server without a warning (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        if let Some(container) = &self.container {
            programs::run(Command::new("docker").args(["kill", container]))?;
        } else if self.is_running() {
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Lets the server hang: its connections stay, nothing is answered.
    pub fn pause(&self) -> Result<()> {
        match &self.container {
            Some(container) => programs::run(Command::new("docker").args(["pause", container])).map(drop),
            None => children::signal(&self.child, "STOP"),
        }
    }

    /// Ends [`Nats::pause`].
    pub fn resume(&self) -> Result<()> {
        match &self.container {
            Some(container) => programs::run(Command::new("docker").args(["unpause", container])).map(drop),
            None => children::signal(&self.child, "CONT"),
        }
    }

    /// Starts a stopped or killed server again: same port, same store.
    pub fn start_again(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("the NATS server is running already");
        }
        (self.child, self.container) = self.binary.start_on(self.port, &self.options)?;
        Ok(())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // Nothing more can be done about a server that does not end.
        let _ = self.stop();
    }
}

/// A server that takes connections says `INFO` first, and does so only once its streams are recovered.
fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_millis(500))).is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && line.starts_with("INFO ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_comes_back_on_its_port() {
        let store = tempfile::tempdir().unwrap();
        let mut server = Nats::start(NatsOptions::new(store.path())).unwrap();
        let port = server.port();
        assert!(greets(port));
        server.kill().unwrap();
        assert!(!greets(port));
        server.start_again().unwrap();
        assert!(greets(port));
        assert!(store.path().join("jetstream").is_dir());
        server.stop().unwrap();
        assert!(!server.is_running());
    }

    #[test]
    fn a_wrong_configuration_is_told() {
        let store = tempfile::tempdir().unwrap();
        let options =
            NatsOptions { config: "no_such_option: 1".to_owned(), ..NatsOptions::new(store.path()) };
        let error = format!("{:#}", Nats::start(options).unwrap_err());
        assert!(error.contains("no_such_option"), "{error}");
    }
}
