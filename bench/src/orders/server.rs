use std::{env, fs, os::unix::fs::PermissionsExt as _, process::Command};

use anyhow::{Context as _, Result, ensure};
use localservers::Postgres;
use tempfile::TempDir;

/// A database server that writes to the disk what it has promised to keep, as in production and unlike in tests.
pub(super) struct Server {
    postgres: Postgres,
    _folder: TempDir,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bookstore-bench-").tempdir()?;
        // The server may run under another account than ours.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let settings = [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("shared_buffers", "512MB"),
            ("max_wal_size", "4GB"),
            ("shared_preload_libraries", "pg_stat_statements"),
        ];
        let postgres = Postgres::start(&folder.path().join("data"), None, &settings)?;
        Ok(Self { postgres, _folder: folder })
    }

    /// The same command in a process whose databases are here.
    pub(super) fn measure_within(&self) -> Result<()> {
        let asked = env::args_os().skip(1).skip_while(|argument| argument != "orders").skip(1);
        let status = Command::new(env::current_exe()?)
            .arg("orders-within")
            .args(asked)
            .args(["--postgres-pid", &self.postgres.pid().to_string()])
            .env("BOOKSTORE_TEST_DATABASE_URL", self.postgres.url("postgres"))
            .status()
            .context("cannot start the measurement")?;
        ensure!(status.success(), "the measurement ended with {status}");
        Ok(())
    }
}
