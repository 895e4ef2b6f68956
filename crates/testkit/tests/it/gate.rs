use std::{
    io,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

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

/// Each keeps what this one listens on, until it is another program.
#[tokio::test]
async fn a_gate_opens_however_many_processes_are_being_started() -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let starts = thread::spawn({
        let is_over = is_over.clone();
        move || {
            while !is_over.load(Ordering::Relaxed) {
                Command::new("true").status()?;
            }
            io::Result::Ok(())
        }
    });
    let mut gates = Ok(());
    for _ in 0..1_000 {
        gates = gates.and(Gate::to("127.0.0.1:1").await.map(drop));
    }
    is_over.store(true, Ordering::Relaxed);
    starts.join().expect("no panic")?;
    gates
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

#[tokio::test]
async fn a_late_gate_answers_later() -> Result<()> {
    let (gate, url) = Gate::before(empty_database().await?.url()).await?;
    let mut connection = PgConnection::connect(&url).await?;
    gate.delay(Duration::from_millis(300));
    let asked = Instant::now();
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    assert!(asked.elapsed() >= Duration::from_millis(300), "took {:?}", asked.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_forgotten_connection_looks_alive_and_leads_nowhere() -> Result<()> {
    let (gate, url) = Gate::before(empty_database().await?.url()).await?;
    let mut old = PgConnection::connect(&url).await?;
    gate.forget();
    let silence = timeout(Duration::from_millis(300), sqlx::query("SELECT 1").execute(&mut old)).await;
    assert!(silence.is_err(), "{silence:?}");
    sqlx::query("SELECT 1").execute(&mut PgConnection::connect(&url).await?).await?;
    Ok(())
}
