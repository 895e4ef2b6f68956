//! The steps of `cargo xtask test`, in the order they run: what is quick to fail comes first.

use std::{fmt, fs, num::NonZero, os::unix::fs::PermissionsExt, process::Command, thread};

use anyhow::Result;
use clap::ValueEnum;
use localservers::{Nats, Postgres};
use tempfile::TempDir;

use crate::{
    build::cargo,
    cluster_test, fuzz, local,
    process::{self, Interrupt},
    release, say,
    tools::{self, Missing},
};

use super::{alerts, chart, counts::Counts, links, recipe, runner, tilt, tour};

/// Names a Postgres server that tests make their databases on.
const TEST_DATABASE: &str = "BOOKSTORE_TEST_DATABASE_URL";

/// How many tests of a program run at the same time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// What is built and tested together. Those of the cluster have a step of their own, in which none is skipped. They want
/// more of some crates than the others do: what is built with them is built again without.
const TESTED: [&str; 3] = ["--workspace", "--exclude", "cluster-tests"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// What is kept outside the checkout for the cluster's tests is there: minutes the first time
    Caches,
    /// The code is formatted (cargo fmt)
    Format,
    /// The contract is clean and formatted (buf)
    Contract,
    /// The chart renders what Kubernetes takes and what is safe, and refuses values with typos (helm, kubeconform,
    /// kube-score, checkov, helm-unittest, helm-docs; where there are Go and Python)
    Chart,
    /// Alerts fire when they should, and they and the dashboards look at what services export (promtool)
    Alerts,
    /// The Tiltfile declares what the chart has (starlark, with stand-ins for what Tilt has built in)
    Tilt,
    /// No lint warns (cargo clippy)
    Lint,
    /// The documentation builds without a warning (cargo doc), and its pages link to what is there
    Docs,
    /// Dependencies are what deny.toml allows (cargo-deny, where it is installed)
    Dependencies,
    /// Unit, service and system tests pass (cargo test)
    Tests,
    /// A short search for bytes that break a reader of bytes (libFuzzer, where there is a C++ compiler)
    Fuzz,
    /// A new shop opens, and the README's tour prints what the README says
    Tour,
    /// A new RPC is added as docs/ADDING-AN-RPC.md says: it is answered, and refused without a policy
    Recipe,
    /// What is shipped can be built static and optimised, and has no fault points then
    Release,
    /// The chart on a real cluster: installed, used, broken, changed and taken away (where there can be one)
    Cluster,
}

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("ok"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

impl Step {
    pub(crate) const fn takes_cluster(self) -> bool {
        matches!(self, Self::Caches | Self::Cluster)
    }

    pub(crate) fn run(self, counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
        match self {
            Self::Caches => where_possible(cluster_test::fill_caches(interrupt).map(|()| Outcome::Passed)),
            Self::Format => check(cargo().args(["fmt", "--all", "--check"]), interrupt),
            Self::Contract => contract(interrupt),
            Self::Chart => where_possible(chart::run(counts, interrupt)),
            Self::Alerts => where_possible(alerts::run(interrupt)),
            Self::Tilt => where_possible(tilt::run(interrupt)),
            Self::Lint => check(
                cargo().args([
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--keep-going",
                    "--",
                    "-D",
                    "warnings",
                ]),
                interrupt,
            ),
            Self::Docs => docs(interrupt),
            Self::Dependencies => dependencies(interrupt),
            Self::Tests => tests(counts, interrupt),
            Self::Fuzz => fuzz(interrupt),
            Self::Tour => tour::run(interrupt),
            Self::Recipe => recipe::run(interrupt),
            Self::Release => release::programs(interrupt).map(|_| Outcome::Passed),
            Self::Cluster => where_possible(cluster_test::step(counts, interrupt)),
        }
    }
}

/// Runs a command that checks something; its output is for people.
fn check(command: &mut Command, interrupt: &Interrupt) -> Result<Outcome> {
    let status = process::run(command, interrupt)?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) })
}

/// A check whose tools can't be installed here is skipped, and says what is missing.
fn where_possible(outcome: Result<Outcome>) -> Result<Outcome> {
    match outcome {
        Err(error) if error.is::<Missing>() => Ok(Outcome::Skipped(error.to_string())),
        outcome => outcome,
    }
}

fn contract(interrupt: &Interrupt) -> Result<Outcome> {
    tools::install(&[tools::BUF], interrupt)?;
    let buf = tools::BUF.program()?;
    let run = |args: &[&str]| {
        check(Command::new(&buf).current_dir(local::checkout().join("proto")).args(args), interrupt)
    };
    match (run(&["lint"])?, run(&["format", "--diff", "--exit-code"])?) {
        (Outcome::Passed, format) => Ok(format),
        (lint, _) => Ok(lint),
    }
}

fn docs(interrupt: &Interrupt) -> Result<Outcome> {
    let dead = links::dead(local::checkout())?;
    if !dead.is_empty() {
        return Ok(Outcome::Failed(format!("links to nothing:\n{}", dead.join("\n"))));
    }
    check(
        cargo().args(["doc", "--workspace", "--no-deps", "--keep-going"]).env("RUSTDOCFLAGS", "-D warnings"),
        interrupt,
    )
}

fn dependencies(interrupt: &Interrupt) -> Result<Outcome> {
    let installed = Command::new("cargo-deny").arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`)".to_owned(),
        ));
    }
    // What is known to be vulnerable changes without us and needs the network: no part of this.
    check(cargo().args(["deny", "check", "licenses", "bans", "sources"]), interrupt)
}

fn fuzz(interrupt: &Interrupt) -> Result<Outcome> {
    Ok(match fuzz::short(interrupt)? {
        None => Outcome::Skipped("there is no C++ compiler (g++)".to_owned()),
        Some(broken) if broken.is_empty() => Outcome::Passed,
        Some(broken) => Outcome::Failed(broken.join(", ")),
    })
}

/// Builds every program that is tested at once, the services that system tests start among them.
pub(super) fn build_tested(interrupt: &Interrupt) -> Result<Outcome> {
    check(cargo().arg("build").args(TESTED).arg("--all-targets"), interrupt)
}

fn tests(counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
    // Found or installed once, rather than by many tests at the same time.
    Nats::locate_telling(&|what| say::doing("Server", what))?;
    let own_server = match std::env::var_os(TEST_DATABASE) {
        Some(_) => None,
        None => Some(TestServer::start()?),
    };
    let built = build_tested(interrupt)?;
    let command = |only: &[String]| {
        let mut command = cargo();
        command.arg("test").args(TESTED).arg("--no-fail-fast");
        if std::env::var_os(TEST_THREADS).is_none() {
            // Most tests wait more than they compute; of shops, which do not, as many are open as there are processors.
            let threads = 2 * thread::available_parallelism().map_or(1, NonZero::get);
            command.env(TEST_THREADS, threads.to_string());
        }
        if let Some(server) = &own_server {
            command.env(TEST_DATABASE, server.postgres.url("postgres"));
        }
        if !only.is_empty() {
            command.args(["--", "--exact", "--test-threads=1"]).args(only);
        }
        command
    };
    let tested = runner::run(command, || Ok(()), counts, interrupt)?;
    Ok(if matches!(built, Outcome::Passed) { tested } else { built })
}

/// One Postgres for all test programs; each test makes databases of its own there.
struct TestServer {
    postgres: Postgres,
    /// Dropped after the server.
    _data: TempDir,
}

impl TestServer {
    fn start() -> Result<Self> {
        // For root, Postgres runs under another account, which must get in.
        let data = tempfile::Builder::new()
            .prefix("bookstore-test-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()?;
        // Tests check what the services do, not what the disk does.
        let settings = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            // Small databases, about which the planner knows nothing yet: compiling takes longer than it saves.
            ("jit", "off"),
        ];
        let postgres = Postgres::locate_telling(&|what| say::doing("Server", what))?.start(
            &data.path().join("data"),
            None,
            &settings,
        )?;
        Ok(Self { postgres, _data: data })
    }
}
