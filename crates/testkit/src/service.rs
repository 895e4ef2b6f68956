use std::{
    any::TypeId,
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use server::{Application, Listeners};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::OnceCell,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;
use values::Clock;

use crate::{Broker, Database, PEER_SECRET, database::create, eventually};

/// Until a service is ready, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(30);
/// Until a service has stopped: its own limit is shorter.
const STOP: Duration = Duration::from_secs(30);

/// A database with the tables of a service, of the test's own.
///
/// The migrations run once a process; each test gets a copy.
pub async fn database<A: Application>() -> Result<Database> {
    static TEMPLATES: OnceLock<Mutex<HashMap<TypeId, Arc<OnceCell<String>>>>> = OnceLock::new();
    let template = {
        let mut templates =
            TEMPLATES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        templates.entry(TypeId::of::<A>()).or_default().clone()
    };
    let template = template
        .get_or_try_init(|| async {
            let name = format!("template_{}_{}", A::NAME, Uuid::now_v7().simple());
            let database = create(&name, None).await?;
            server::migrate(&database.url().into(), A::MIGRATIONS).await?;
            anyhow::Ok(name)
        })
        .await?;
    create(&format!("{}_{}", A::NAME, Uuid::now_v7().simple()), Some(template)).await
}

/// What every service is configured with, for a database and a broker of the test.
#[must_use]
pub fn config(database: &Database, broker: &Broker) -> server::Config {
    server::Config::new(database.url(), broker.url(), PEER_SECRET)
}

/// A service that runs inside the test's process. Told to stop when dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it answers gRPC.
    pub address: SocketAddr,
    /// Where it answers health and metrics.
    pub admin: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), server::Error>>,
}

/// Runs a service on free ports and waits until it is ready.
pub async fn running<A: Application>(config: A::Config) -> Result<Running> {
    running_with_clock::<A>(config, Clock::system()).await
}

/// As [`running`], with a clock of the test's.
pub async fn running_with_clock<A: Application>(config: A::Config, clock: Clock) -> Result<Running> {
    let started = starting::<A>(config, clock).await?;
    eventually("the service is ready or has ended", START, async || {
        (started.task.is_finished() || started.is_ready().await).then_some(())
    })
    .await?;
    if started.task.is_finished() {
        started.stop().await.context("the service ended at its start")?;
        bail!("the service ended at its start");
    }
    Ok(started)
}

/// As [`running_with_clock`], without waiting: for tests of what a service does before it is ready.
pub async fn starting<A: Application>(config: A::Config, clock: Clock) -> Result<Running> {
    let grpc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (address, admin_address) = (grpc.local_addr()?, admin.local_addr()?);
    let stop = CancellationToken::new();
    let service = server::run::<A>(config, Listeners { grpc, admin }, clock, stop.clone());
    Ok(Running { address, admin: admin_address, stop, task: tokio::spawn(service) })
}

impl Running {
    /// For the `…_TARGET` of other services.
    #[must_use]
    pub fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// A connection to it, made when it is first used.
    pub fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.address))?.connect_lazy())
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        get(self.admin, "/readyz").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Stops it in good order.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        let ended = tokio::time::timeout(STOP, &mut self.task).await;
        Ok(ended.with_context(|| format!("the service did not stop within {STOP:?}"))???)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What an HTTP port answers to a GET, status line and headers included. Gives up after two seconds.
pub async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}
