use std::{
    any::TypeId,
    collections::HashMap,
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use server::{Application, Front, Listeners};
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

use crate::{Broker, Database, certificates, channel_as, database::create, eventually};

/// Until a service is ready, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(30);
/// Until a service has stopped: its own limit is shorter.
const STOP: Duration = Duration::from_secs(30);
/// A free port of this machine.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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

/// What service `A` is configured with, for a database and a broker of the test. Its certificate lies with the broker.
pub fn config<A: Application>(database: &Database, broker: &Broker) -> Result<server::Config> {
    let tls = certificates()?.write(&broker.certificates(), A::NAME)?;
    Ok(server::Config::new(database.url(), broker.url(), tls))
}

/// What a process without database and broker is configured with; its certificate lies in `folder`.
pub fn base<F: Front>(folder: &Path) -> Result<server::config::Base> {
    Ok(server::config::Base::new(certificates()?.write(folder, F::NAME)?))
}

/// A service that runs inside the test's process. Told to stop when dropped.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    is_front: bool,
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
    starting::<A>(config, clock).await?.once_ready().await
}

/// As [`running`], answering calls at this address: one of several [replicas](crate::replicas), or the same as before.
pub async fn running_at<A: Application>(config: A::Config, address: SocketAddr) -> Result<Running> {
    let run = |listeners, stop| server::run::<A>(config, listeners, Clock::system(), stop);
    Running::start(A::NAME, false, address, run).await?.once_ready().await
}

/// Runs a process without database and broker on free ports and waits until it is ready.
pub async fn running_front<F: Front>(config: F::Config) -> Result<Running> {
    let run = |listeners, stop| server::run_front::<F>(config, listeners, Clock::system(), stop);
    Running::start(F::NAME, true, ANYWHERE, run).await?.once_ready().await
}

/// As [`running_with_clock`], without waiting: for tests of what a service does before it is ready.
pub async fn starting<A: Application>(config: A::Config, clock: Clock) -> Result<Running> {
    let run = |listeners, stop| server::run::<A>(config, listeners, clock, stop);
    Running::start(A::NAME, false, ANYWHERE, run).await
}

impl Running {
    async fn start<R>(
        name: &'static str,
        is_front: bool,
        address: SocketAddr,
        run: impl FnOnce(Listeners, CancellationToken) -> R,
    ) -> Result<Self>
    where
        R: Future<Output = Result<(), server::Error>> + Send + 'static,
    {
        let grpc = TcpListener::bind(address).await?;
        let admin = TcpListener::bind(ANYWHERE).await?;
        let (address, admin_address) = (grpc.local_addr()?, admin.local_addr()?);
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Listeners { grpc, admin }, stop.clone()));
        Ok(Self { name, is_front, address, admin: admin_address, stop, task })
    }

    async fn once_ready(self) -> Result<Self> {
        eventually("the service is ready or has ended", START, async || {
            (self.task.is_finished() || self.is_ready().await).then_some(())
        })
        .await?;
        if self.task.is_finished() {
            self.stop().await.context("the service ended at its start")?;
            bail!("the service ended at its start");
        }
        Ok(self)
    }

    /// For the `…_TARGET` of other services.
    #[must_use]
    pub fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// A connection to it as its users' calls come, made when it is first used: through the gateway, or straight if it
    /// is a front itself.
    pub fn channel(&self) -> Result<Channel> {
        if self.is_front {
            return Ok(Endpoint::from_shared(format!("http://{}", self.address))?.connect_lazy());
        }
        self.channel_as("gateway")
    }

    /// A connection to it as another service's calls come, made when it is first used.
    pub fn channel_as(&self, caller: &str) -> Result<Channel> {
        channel_as(&certificates()?.identity(caller)?, self.name, self.address)
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
