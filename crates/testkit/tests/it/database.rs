use anyhow::Result;
use sea_orm::ConnectionTrait;
use testkit::{empty_database, events_database};

#[tokio::test]
async fn databases_are_apart() -> Result<()> {
    let (one, other) = (empty_database().await?, empty_database().await?);
    one.execute("CREATE TABLE books (title text); INSERT INTO books VALUES ('Emma')").await?;
    assert!(other.execute("SELECT * FROM books").await.is_err());
    one.connect().await?.execute_unprepared("SELECT * FROM books").await?;
    Ok(())
}

#[tokio::test]
async fn the_tables_of_events_can_be_had_alone() -> Result<()> {
    let database = events_database().await?;
    database.execute("SELECT * FROM outbox; SELECT * FROM inbox; SELECT * FROM dead_letters").await
}
