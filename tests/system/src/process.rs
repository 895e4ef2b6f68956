use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testkit::get;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{Replica, Service};

/// How long an admin port may take to answer.
const LOOK: Duration = Duration::from_secs(5);

/// The process of a replica: its ports stay, whoever answers there.
#[derive(Debug)]
pub(crate) struct Process {
    replica: Replica,
    pub(crate) admin: SocketAddr,
    environment: Vec<(String, String)>,
    logs: PathBuf,
    starts: usize,
    child: Option<Child>,
    /// Another folder with programs than the usual one.
    pub(crate) programs: Option<PathBuf>,
}

impl Process {
    /// A process that answers calls at `grpc`, not started yet.
    pub(crate) fn new(replica: Replica, grpc: SocketAddr, logs: &Path) -> Result<Self> {
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, localservers::free_port()?));
        let environment = vec![
            ("BOOKSTORE_LISTEN".to_owned(), grpc.to_string()),
            ("BOOKSTORE_ADMIN_LISTEN".to_owned(), admin.to_string()),
            // As in the images.
            ("MIMALLOC_ARENA_PURGE_MULT".to_owned(), "0".to_owned()),
        ];
        let logs = logs.to_owned();
        Ok(Self { replica, admin, environment, logs, starts: 0, child: None, programs: None })
    }

    pub(crate) fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.environment.push((variable.to_owned(), value.into()));
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_armed(&[])
    }

    /// As [`Process::start`], to die at the first of these points that it meets, each as the crate `fault` reads it.
    pub(crate) fn start_armed(&mut self, faults: &[&str]) -> Result<()> {
        if self.child.is_some() {
            bail!("{} runs already", self.replica);
        }
        self.starts += 1;
        let mut environment = self.environment.clone();
        environment.push(("BOOKSTORE_FAULT".to_owned(), faults.join(",")));
        environment.push(("BOOKSTORE_FAULT_LOG".to_owned(), self.fault_path().display().to_string()));
        let program = match &self.programs {
            Some(folder) => folder.join(self.replica.service.name()),
            None => programs()?.join(self.replica.service.name()),
        };
        self.child = Some(localservers::launch(&program, &environment, &self.log())?);
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().with_context(|| format!("{} does not run", self.replica))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    pub(crate) const fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// How it has ended, if it has; then it can be started again.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let child = self.child.as_mut().with_context(|| format!("{} does not run", self.replica))?;
        let ended = child.try_wait()?;
        if ended.is_some() {
            self.child = None;
        }
        Ok(ended)
    }

    /// `STOP` and `CONT` for a process that hangs for a while, `TERM` for an orderly end.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("{} does not run", self.replica))?;
        localservers::signal(child, name)
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().with_context(|| format!("{} does not run", self.replica))?.id())
    }

    /// Fails with the end of its log if it has ended by itself.
    pub(crate) async fn is_ready(&mut self) -> Result<bool> {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait()?
        {
            bail!("{} ended by itself ({status}):\n{}", self.replica, self.tail());
        }
        Ok(get(self.admin, "/readyz").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))
    }

    fn log(&self) -> PathBuf {
        self.logs.join(format!("{}.{}.log", self.replica, self.starts))
    }

    /// To which points of its code it came, in all its lives, and where it died.
    pub(crate) fn fault_log(&self) -> Result<String> {
        match fs::read_to_string(self.fault_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            log => Ok(log?),
        }
    }

    fn fault_path(&self) -> PathBuf {
        self.logs.join(format!("{}.points.log", self.replica))
    }

    /// What it has said since its last start.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let text = self.said();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some() {
            // It was about to end anyway.
            let _ = self.kill();
        }
    }
}

/// All metrics that a process's admin port tells.
pub(crate) async fn metrics(admin: SocketAddr) -> Result<String> {
    get(admin, "/metrics").await
}

/// The sum of a metric's series that have these labels, as a process's admin port tells it.
pub(crate) async fn metric(admin: SocketAddr, name: &str, labels: &str) -> Result<f64> {
    let answer = metrics(admin).await?;
    let series =
        answer.lines().filter_map(|line| line.strip_prefix(name)).filter_map(|rest| match rest.get(..1) {
            Some("{") => rest[1..].rsplit_once("} "),
            Some(" ") => Some(("", &rest[1..])),
            _ => None,
        });
    let values = series.filter(|(of, _)| of.contains(labels)).map(|(_, value)| value.trim().parse::<f64>());
    values.sum::<Result<f64, _>>().with_context(|| format!("{name} is no number"))
}

/// What a process's health says under a name: whether it serves.
pub(crate) async fn health(admin: SocketAddr, name: &str) -> Result<Option<bool>> {
    let endpoint = Endpoint::from_shared(format!("http://{admin}"))?.timeout(LOOK);
    let mut health = HealthClient::new(endpoint.connect().await?);
    match health.check(HealthCheckRequest { service: name.to_owned() }).await {
        Ok(answer) => Ok(Some(answer.into_inner().status() == ServingStatus::Serving)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status).context("health"),
    }
}

/// The folder with the programs of the services.
pub fn programs() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let services = Service::ALL.map(|service| (service.name(), service.name()));
    let folder = FOLDER.get_or_init(|| built(&services).map_err(|error| format!("{error:#}")));
    Ok(folder.as_ref().map_err(anyhow::Error::msg)?)
}

/// The command `bookstore`.
pub fn command_line() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| built(&[("cli", "bookstore")]).map_err(|error| format!("{error:#}")));
    Ok(folder.as_ref().map_err(anyhow::Error::msg)?.join("bookstore"))
}

/// The command `verify`.
pub fn verifier() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| built(&[("verify", "verify")]).map_err(|error| format!("{error:#}")));
    Ok(folder.as_ref().map_err(anyhow::Error::msg)?.join("verify"))
}

/// The folder with programs, beside this test's own: packages and what they are called. They are built if they aren't there.
fn built(programs: &[(&str, &str)]) -> Result<PathBuf> {
    let test = env::current_exe()?;
    let beside = test.parent().context("the test lies in no folder")?;
    // A test is target/debug/deps/it-0123456789abcdef, another program target/debug/bench.
    let folder = if beside.ends_with("deps") { beside.parent() } else { Some(beside) };
    let folder = folder.context("the test lies in no target folder")?.to_owned();
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(_, program)| !folder.join(program).exists())
        .map(|(package, _)| *package)
        .collect();
    if !missing.is_empty() {
        let target = folder.parent().context("no target folder")?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg("build").arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(missing.iter().flat_map(|package| ["--package", package]));
        let built = cargo.output().context("cannot run cargo")?;
        if !built.status.success() {
            bail!("the programs don't build: {}", String::from_utf8_lossy(&built.stderr));
        }
    }
    Ok(folder)
}
