//! Somebody at a terminal.

use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody with a configuration folder of their own, who types commands.
pub(crate) struct Terminal {
    pub(crate) folder: TempDir,
    url: String,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Terminal {
    /// Before the shop that answers there.
    pub(crate) fn new(url: impl Into<String>) -> Result<Self> {
        Ok(Self { folder: TempDir::new()?, url: url.into() })
    }

    /// The command, not yet run; it knows nothing of the machine's own environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bookstore"));
        command
            .args(arguments)
            .env_clear()
            .env("BOOKSTORE_CONFIG_DIR", self.folder.path())
            .env("BOOKSTORE_PASSWORD", PASSWORD)
            .env("BOOKSTORE_URL", &self.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        self.command(arguments).output().await?.try_into()
    }

    /// Runs a command and types a line into it.
    pub(crate) async fn run_typing(&self, line: &str, arguments: &[&str]) -> Result<Outcome> {
        let mut child =
            self.command(arguments).env_remove("BOOKSTORE_PASSWORD").stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(format!("{line}\n").as_bytes()).await?;
        drop(stdin);
        child.wait_with_output().await?.try_into()
    }

    /// What a command prints that succeeds.
    pub(crate) async fn prints(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.run(arguments).await?;
        ensure!(outcome.code == 0, "{arguments:?} failed: {outcome:#?}");
        Ok(outcome.stdout)
    }

    /// What a command answers as JSON that succeeds.
    pub(crate) async fn answers(&self, arguments: &[&str]) -> Result<Value> {
        let printed = self.prints(&[arguments, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&printed).with_context(|| format!("{arguments:?} printed {printed}"))
    }

    pub(crate) async fn register(&self, name: &str) -> Result<()> {
        let email = format!("{name}@example.com");
        self.prints(&["register", "--email", &email, "--name", name]).await?;
        Ok(())
    }

    pub(crate) async fn login(&self, name: &str) -> Result<()> {
        self.prints(&["login", "--email", &format!("{name}@example.com")]).await?;
        Ok(())
    }
}

impl TryFrom<Output> for Outcome {
    type Error = anyhow::Error;

    fn try_from(output: Output) -> Result<Self> {
        Ok(Self {
            code: output.status.code().context("ended by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}
