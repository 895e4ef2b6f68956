use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, PgConnection};
use testkit::{Broker, Gate, empty_database, eventually};
use tokio::time::timeout;

#[tokio::test]
async fn a_closed_gate_refuses_and_an_opened_one_lets_through() -> Result<()> {
    let (gate, url) = Gate::before(empty_database().await?.url()).await?;
    let connect = async || PgConnection::connect(&url).await;
    let mut connection = connect().await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;

    gate.close();
    sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err();
    connect().await.unwrap_err();

    gate.open();
    eventually("a connection", Duration::from_secs(5), async || connect().await.ok()).await?;
    Ok(())
}

#[tokio::test]
async fn a_stalled_gate_answers_nothing() -> Result<()> {
    let broker = Broker::start().await?;
    let (gate, url) = Gate::before(broker.url()).await?;
    let connect = async || timeout(Duration::from_millis(300), async_nats::connect(&url)).await;
    connect().await??;
    gate.stall();
    connect().await.unwrap_err();
    Ok(())
}
