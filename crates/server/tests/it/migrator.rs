//! Tables: made once, by whoever comes first, and never unmade by an older release.

use anyhow::{Context as _, Result};
use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use secrecy::SecretString;
use server::{MigrateError, SqlMigration, migrate};

const SHELVES: SqlMigration = SqlMigration {
    name: "0001_shelves",
    sql: "CREATE TABLE shelves (id bigint PRIMARY KEY, label text NOT NULL);\nINSERT INTO shelves VALUES (1, 'A');\n",
};
const LABELS: SqlMigration = SqlMigration {
    name: "0002_labels",
    sql: "-- without a transaction\nCREATE INDEX CONCURRENTLY shelves_label ON shelves (label);\nANALYZE shelves;\n",
};

async fn count(db: &DatabaseConnection, sql: &str) -> Result<i64> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(row.context("no row")?.try_get_by_index(0)?)
}

#[tokio::test]
async fn any_number_of_replicas_may_start_at_once() -> Result<()> {
    let database = testkit::empty_database().await?;
    let url = SecretString::from(database.url());

    for outcome in join_all((0..8).map(|_| migrate(&url, &[SHELVES, LABELS]))).await {
        outcome?;
    }

    let db = database.connect().await?;
    assert_eq!(count(&db, "SELECT count(*) FROM shelves").await?, 1, "a migration ran twice");
    let ours = "SELECT count(*) FROM seaql_migrations WHERE version LIKE '000%'";
    assert_eq!(count(&db, ours).await?, 2);
    assert_eq!(count(&db, "SELECT count(*) FROM outbox").await?, 0, "the tables of events come along");
    Ok(())
}

#[tokio::test]
async fn a_release_runs_on_the_schema_of_a_newer_one() -> Result<()> {
    let database = testkit::empty_database().await?;
    let url = SecretString::from(database.url());
    migrate(&url, &[SHELVES, LABELS]).await?;

    migrate(&url, &[SHELVES]).await?;

    let db = database.connect().await?;
    let newer = "SELECT count(*) FROM seaql_migrations WHERE version = '0002_labels'";
    assert_eq!(count(&db, newer).await?, 1, "the newer release's step is remembered");
    Ok(())
}

#[tokio::test]
async fn a_migration_that_fails_is_named_and_leaves_nothing_behind() -> Result<()> {
    let database = testkit::empty_database().await?;
    let url = SecretString::from(database.url());
    let broken =
        SqlMigration { name: "0002_broken", sql: "CREATE TABLE half ();\nCREATE TABLE shelves ();\n" };

    let failed = migrate(&url, &[SHELVES, broken]).await.unwrap_err();

    assert!(matches!(failed, MigrateError::Failed { name: "0002_broken", .. }), "{failed:?}");
    let message = failed.to_string();
    assert!(message.starts_with("migration 0002_broken failed: "), "{message}");
    assert!(message.contains(r#"relation "shelves" already exists"#), "{message}");
    let db = database.connect().await?;
    assert_eq!(count(&db, "SELECT count(*) FROM shelves").await?, 1, "what came before stays");
    assert_eq!(count(&db, "SELECT count(*) FROM pg_class WHERE relname = 'half'").await?, 0);
    migrate(&url, &[SHELVES]).await?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_from_one_that_refuses() -> Result<()> {
    let nobody = SecretString::from("postgres://nobody@127.0.0.1:9/nothing");

    let failed = migrate(&nobody, &[SHELVES]).await.unwrap_err();

    assert!(matches!(failed, MigrateError::Down(_)), "{failed:?}");
    Ok(())
}
