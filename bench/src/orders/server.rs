use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt as _, process::Command};

use anyhow::{Context as _, Result, ensure};
use localservers::Postgres;
use tempfile::TempDir;

/// A database server that writes to the disk what it has promised to keep, as in production and unlike in tests.
pub(super) struct Server {
    postgres: Postgres,
    _folder: TempDir,
}

impl Server {
    /// Starts one as `cargo xtask up` does, with these settings beside; and it counts statements.
    pub(super) fn start(settings: &[(String, String)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bookstore-bench-").tempdir()?;
        // The server may run under another account than ours.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let counting = [("shared_preload_libraries", "pg_stat_statements")].into_iter();
        let asked = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<(&str, &str)> = counting.chain(asked).collect();
        let postgres = Postgres::start(&folder.path().join("data"), None, &settings)?;
        Ok(Self { postgres, _folder: folder })
    }

    /// The command `within` with these arguments, in a process whose databases are here.
    pub(super) fn run_within(&self, within: &str, arguments: impl Iterator<Item = OsString>) -> Result<()> {
        let status = Command::new(env::current_exe()?)
            .arg(within)
            .args(arguments)
            .args(["--postgres-pid", &self.postgres.pid().to_string()])
            .env("BOOKSTORE_TEST_DATABASE_URL", self.postgres.url("postgres"))
            .status()
            .context("cannot start the measurement")?;
        ensure!(status.success(), "the measurement ended with {status}");
        Ok(())
    }
}

/// `name=value`
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is `name=value`")?;
    Ok((name.to_owned(), value.to_owned()))
}
