//! Brings a database's tables up to date: SQL files, through SeaORM's migrator.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTraitSelf, SchemaManager, async_trait::async_trait,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::database;

/// A file of SQL that takes the schema one step on.
///
/// It runs as one transaction, unless its first line is `-- without a transaction` (`CREATE INDEX CONCURRENTLY` needs
/// that): then its statements, each ended by `;` at the end of a line, run one by one and must bear being repeated.
#[derive(Clone, Copy, Debug)]
pub struct SqlMigration {
    /// What the database remembers it by; never to be changed.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// The named files of the package's `migrations/` folder, oldest first: `server::migrations!("0001_orders")`.
/// For use in `src/lib.rs`.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$($crate::SqlMigration {
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        }),*]
    };
}

/// Why the database is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database can't be asked; later it may.
    #[error("the database is not there: {0}")]
    Down(#[source] DbErr),
    /// A migration failed and left nothing behind.
    #[error("migration {name} failed: {source}")]
    Failed {
        /// Which one.
        name: &'static str,
        /// What the database says.
        source: DbErr,
    },
    /// The database refused something else.
    #[error("the database cannot be migrated: {0}")]
    Refused(#[source] DbErr),
}

/// `migrate` in ASCII: which advisory lock keeps replicas from migrating one database at once.
const LOCK: i64 = 0x006d_6967_7261_7465;
const LOCK_POLL: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(3);

const WITHOUT_TRANSACTION: &str = "-- without a transaction";

/// Applies what is missing: the tables of `events`, then `migrations`. Any number of replicas may do so at once. Steps
/// that a newer release has applied are left alone: after a rollback this release runs on its schema.
///
/// # Errors
/// The database is down, or a migration failed.
pub async fn migrate(url: &SecretString, migrations: &[SqlMigration]) -> Result<(), MigrateError> {
    // One connection, so that the lock and what it protects end together.
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(1)
        .acquire_timeout(CONNECT)
        .sqlx_logging(false)
        .set_application_name("bookstore-migrator")
        .map_sqlx_postgres_opts(|options| options.options(database::KEEPALIVES));
    let db = Database::connect(options).await.map_err(classified)?;
    let outcome = migrate_locked(&db, migrations).await;
    // Frees the lock.
    if let Err(error) = db.close().await {
        tracing::warn!(%error, "the migrator's connection did not close");
    }
    outcome
}

async fn migrate_locked(db: &DatabaseConnection, migrations: &[SqlMigration]) -> Result<(), MigrateError> {
    // Polled: who waits inside pg_advisory_lock holds a snapshot, which CREATE INDEX CONCURRENTLY would wait for.
    let mut is_waiting = false;
    while !try_lock(db).await.map_err(classified)? {
        if !is_waiting {
            tracing::info!("another replica is migrating the database");
            is_waiting = true;
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
    let ours = || {
        events::migrations()
            .iter()
            .map(|(name, sql)| SqlMigration { name, sql })
            .chain(migrations.iter().copied())
    };
    let applied = Migrator(Vec::new()).get_migration_models(db).await.map_err(classified)?;
    let newer =
        applied.into_iter().map(|model| model.version).filter(|name| ours().all(|our| our.name != name));
    let steps = ours().map(Step::Ours).chain(newer.map(Step::Newer)).collect();
    Migrator(steps).up(db, None).await.map_err(|error| failed(error, ours()))
}

async fn try_lock(db: &DatabaseConnection) -> Result<bool, DbErr> {
    let statement = sea_orm::Statement::from_sql_and_values(
        sea_orm::DbBackend::Postgres,
        "SELECT pg_try_advisory_lock($1) AS is_ours",
        [LOCK.into()],
    );
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("pg_try_advisory_lock".to_owned()))?.try_get("", "is_ours")
}

fn classified(error: DbErr) -> MigrateError {
    if database::is_down(&error) { MigrateError::Down(error) } else { MigrateError::Refused(error) }
}

/// Finds out again which migration it was: SeaORM's error doesn't say.
fn failed(error: DbErr, mut ours: impl Iterator<Item = SqlMigration>) -> MigrateError {
    match error {
        DbErr::Migration(message) => {
            let (name, cause) = message.split_once(": ").unwrap_or((&message, ""));
            match ours.find(|migration| migration.name == name) {
                Some(SqlMigration { name, .. }) => {
                    MigrateError::Failed { name, source: DbErr::Migration(cause.to_owned()) }
                }
                None => MigrateError::Refused(DbErr::Migration(message)),
            }
        }
        error => classified(error),
    }
}

struct Migrator(Vec<Step>);

#[derive(Clone)]
enum Step {
    Ours(SqlMigration),
    /// Applied by a release that came after this one: SeaORM wants to see a migration for each row.
    Newer(String),
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0.iter().cloned().map(|step| Box::new(step) as Box<dyn MigrationTrait>).collect()
    }
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        match self {
            Self::Ours(migration) => migration.name,
            Self::Newer(name) => name,
        }
    }
}

#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Self::Ours(migration) = self else { return Ok(()) };
        let db = manager.get_connection();
        let named = |error: DbErr| {
            if database::is_down(&error) {
                error
            } else {
                DbErr::Migration(format!("{}: {error}", migration.name))
            }
        };
        if self.use_transaction() == Some(true) {
            db.execute_unprepared(migration.sql).await.map_err(named)?;
            return Ok(());
        }
        for statement in statements(migration.sql) {
            db.execute_unprepared(statement).await.map_err(named)?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        match self {
            Self::Ours(migration) => Some(!migration.sql.starts_with(WITHOUT_TRANSACTION)),
            Self::Newer(_) => Some(false),
        }
    }
}

/// Splits after each `;` that ends a line, but not inside a body quoted by `$$`.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut start = 0;
    let mut end = 0;
    let mut found = Vec::new();
    for line in sql.split_inclusive('\n') {
        end += line.len();
        is_quoted ^= line.matches("$$").count() % 2 == 1;
        if !is_quoted && line.trim_end().ends_with(';') {
            found.push(&sql[start..end]);
            start = end;
        }
    }
    found.push(&sql[start..]);
    found.into_iter().map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_their_line_unless_quoted() {
        let sql = "SELECT ';' AS a;\nCREATE FUNCTION f() AS $$\nBEGIN;\nEND;\n$$;\n\nSELECT 2";
        let found: Vec<_> = statements(sql).collect();
        assert_eq!(found, ["SELECT ';' AS a;", "CREATE FUNCTION f() AS $$\nBEGIN;\nEND;\n$$;", "SELECT 2"]);
    }
}
