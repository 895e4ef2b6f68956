use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use localservers::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::spawn_blocking;

use crate::{
    Database,
    database::{create_at, launch},
};

/// An empty database takes 8 MiB.
const SIZE: usize = 96 << 20;
const BLOCK: usize = 1 << 20;
const FILLER: &str = "filler";
/// Beside the server's data.
const MOUNT: &str = "disk";

/// A small disk for the tables of one database, which a test can fill. What its server needs to live (its log, which
/// transactions were committed) lies elsewhere. Both end when it is dropped.
#[derive(Debug)]
pub struct Disk {
    database: Database,
    // Ends before what its files lie on.
    server: Option<Postgres>,
    mount: Mount,
}

impl Disk {
    /// A disk in memory and an empty database on it; `None` where this process may not mount one.
    pub async fn with_database() -> Result<Option<Self>> {
        let (server, folder) = spawn_blocking(launch).await.context("the start panicked")??;
        let Some(mount) = Mount::new(&server, folder.join(MOUNT))? else { return Ok(None) };
        let admin = server.url("postgres");
        let mut connection = PgConnection::connect(&admin).await?;
        // A folder of ours, no user's.
        let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", mount.0.display());
        connection.execute(AssertSqlSafe(tablespace)).await.context("CREATE TABLESPACE")?;
        let database = create_at(&admin, "shop", " TABLESPACE small").await?;
        Ok(Some(Self { database, server: Some(server), mount }))
    }

    /// The database on it.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Takes all the room that is left.
    pub fn fill(&self) -> Result<()> {
        let zeros = vec![0; BLOCK];
        let mut file = File::create(self.mount.0.join(FILLER))?;
        let mut size = BLOCK;
        while size > 0 {
            match file.write(&zeros[..size]) {
                Ok(written) if written > 0 => {}
                Err(error) if error.kind() != ErrorKind::StorageFull => return Err(error.into()),
                Ok(_) | Err(_) => size /= 2,
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.mount.0.join(FILLER))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.server.take();
    }
}

/// A tmpfs, until it is dropped.
#[derive(Debug)]
struct Mount(PathBuf);

impl Mount {
    /// For the account that the server runs under.
    fn new(server: &Postgres, folder: PathBuf) -> Result<Option<Self>> {
        let owner = fs::metadata(server.data())?;
        fs::create_dir(&folder)?;
        let options = format!("size={SIZE},uid={},gid={},mode=0700", owner.uid(), owner.gid());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "bookstore"]).arg(&folder);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(is_mounted.then_some(Self(folder)))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

/// Whoever still has files open keeps them.
fn unmount(folder: &Path) {
    // Without it the folder stays behind, for whoever looks for abandoned ones next.
    let _ = Command::new("umount").arg("--lazy").arg(folder).output();
}

/// Of a test whose process was killed.
pub(crate) fn unmount_in(abandoned: &Path) {
    let folder = abandoned.join(MOUNT);
    if folder.exists() {
        unmount(&folder);
    }
}
