use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use anyhow::{Context, Result};
use localservers::Postgres;
use sea_orm::{ConnectOptions, DatabaseConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::disk;

/// A Postgres server to make the tests' databases on, instead of a private one: `postgres://…/postgres`.
const VARIABLE: &str = "BOOKSTORE_TEST_DATABASE_URL";
const FOLDER: &str = "bookstore-test-postgres-";

/// A database of the test's own.
#[derive(Clone, Debug)]
pub struct Database {
    url: String,
}

impl Database {
    /// `postgres://…`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A few connections to it.
    pub async fn connect(&self) -> Result<DatabaseConnection> {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(8).sqlx_logging(false);
        Ok(sea_orm::Database::connect(options).await?)
    }

    /// Runs statements without parameters, several at once.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url).await?;
        connection.execute(AssertSqlSafe(sql.to_owned())).await?;
        connection.close().await?;
        Ok(())
    }
}

/// A database without tables.
pub async fn empty_database() -> Result<Database> {
    create(&format!("test_{}", Uuid::now_v7().simple()), None).await
}

/// A database with the tables of `events` only.
pub async fn events_database() -> Result<Database> {
    let database = empty_database().await?;
    for (name, sql) in events::migrations() {
        database.execute(sql).await.with_context(|| format!("migration {name}"))?;
    }
    Ok(database)
}

/// Makes a database, as a copy of another one if told so.
pub(crate) async fn create(name: &str, template: Option<&str>) -> Result<Database> {
    let options = template.map(|name| format!(" TEMPLATE {name}")).unwrap_or_default();
    create_at(admin_url().await?, name, &options).await
}

/// Makes a database on a server, of which `admin` is the `postgres` database.
pub(crate) async fn create_at(admin: &str, name: &str, options: &str) -> Result<Database> {
    let mut connection = PgConnection::connect(admin).await.context("cannot reach the tests' Postgres")?;
    // Names of ours, no user's.
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}{options}"))).await?;
    connection.close().await?;
    let url = with_name(admin, name).context("the tests' database address names no database")?;
    Ok(Database { url })
}

fn with_name(url: &str, name: &str) -> Option<String> {
    let (address, parameters) =
        url.split_once('?').map_or((url, String::new()), |(a, p)| (a, format!("?{p}")));
    let (server, _) = address.rsplit_once('/')?;
    Some(format!("{server}/{name}{parameters}"))
}

/// The address of the server's `postgres` database. Starts a private server on the first call.
async fn admin_url() -> Result<&'static str> {
    static URL: OnceLock<Result<String, String>> = OnceLock::new();
    let url = spawn_blocking(|| {
        URL.get_or_init(|| match env::var(VARIABLE) {
            Ok(url) => Ok(url),
            Err(_) => start().map(|server| server.url("postgres")).map_err(|error| format!("{error:#}")),
        })
    })
    .await?;
    url.as_deref().map_err(anyhow::Error::msg)
}

/// Kept until the process ends; the server ends with it.
fn start() -> Result<&'static Postgres> {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    let (server, _) = launch()?;
    Ok(SERVER.get_or_init(|| server))
}

/// A server, and the folder in which its data lies.
pub(crate) fn launch() -> Result<(Postgres, PathBuf)> {
    let parent = env::temp_dir();
    remove_abandoned(&parent);
    let folder =
        tempfile::Builder::new().prefix(&format!("{FOLDER}{}-", process::id())).tempdir_in(parent)?.keep();
    // The server may run under another account than ours.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))?;
    // Power isn't cut in tests; a killed server loses nothing without these.
    let fast = [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];
    Ok((Postgres::start(&folder.join("data"), None, &fast)?, folder))
}

/// A process cannot remove its own server's folder at its very end; the next one does.
fn remove_abandoned(parent: &Path) {
    let abandoned = fs::read_dir(parent).into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let owner = entry.file_name().to_str()?.strip_prefix(FOLDER)?.split('-').next()?.to_owned();
        (!PathBuf::from("/proc").join(owner).exists() && !has_server(&entry.path())).then(|| entry.path())
    });
    for folder in abandoned {
        disk::unmount_in(&folder);
        // Another user's, or removed by another process just now.
        let _ = fs::remove_dir_all(folder);
    }
}

fn has_server(folder: &Path) -> bool {
    fs::read_to_string(folder.join("data/postmaster.pid"))
        .ok()
        .and_then(|text| Some(PathBuf::from("/proc").join(text.lines().next()?.trim())))
        .is_some_and(|process| process.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_in_the_path_of_the_address() {
        assert_eq!(with_name("postgres://a:b@c:1/postgres", "shop").unwrap(), "postgres://a:b@c:1/shop");
        assert_eq!(
            with_name("postgres://c/x?sslmode=disable", "shop").unwrap(),
            "postgres://c/shop?sslmode=disable"
        );
    }
}
