//! A process without database and broker, in front of the services: the gateway.

use std::{convert::Infallible, fmt, future::Future, net::IpAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_health::{pb::health_server::HealthServer, server::HealthService};
use tower::{Service, util::BoxCloneSyncService};
use values::Clock;

use crate::{
    BuildError, Error, Listeners, admin,
    application::Build,
    config::Base,
    dependencies::{self, Callees},
    health::Health,
    listen::{HttpService, Port, Share, Spared, Terms},
    peer::Peers,
    run::{ADMIN_DRAIN, keep_fresh, terms},
    service::Task,
    stop::{Deadlines, Tasks},
};

/// A process that answers clients in plaintext, over HTTP/1 and HTTP/2, and calls services.
#[tonic::async_trait]
pub trait Front: Send + Sync + 'static {
    /// `gateway`: names the process in logs, traces and messages.
    const NAME: &'static str;
    /// Where it answers unless told otherwise.
    const PORT: u16;
    /// Where it answers the platform unless told otherwise.
    const ADMIN_PORT: u16 = Self::PORT + 1000;
    /// What can be configured; [`Base`] is flattened into it.
    type Config: clap::Parser + AsRef<Base> + Send + Sync + 'static;

    /// How many of the traces that clients ask for are recorded, a second.
    fn asked_traces(config: &Self::Config) -> u32;

    /// Puts the process together.
    async fn build(config: Self::Config, context: &FrontContext) -> Result<FrontService, BuildError>;
}

/// What a [`Front`] is put together from.
#[derive(Clone, Debug)]
pub struct FrontContext {
    peers: Peers,
    callees: Callees,
    health: Health,
    /// Tells the time.
    pub clock: Clock,
    /// Cancelled when background work is to end.
    pub stop: CancellationToken,
    /// Cancelled when open streams end with UNAVAILABLE. The server ends gRPC's by itself.
    pub streams_end: CancellationToken,
}

impl FrontContext {
    /// The health of this process, for its clients.
    #[must_use]
    pub fn health(&self) -> HealthServer<HealthService> {
        self.health.grpc()
    }

    /// Calls `callee` with this process's identity.
    #[must_use]
    pub fn client(&self, callee: &'static str, target: &mesh::Target) -> mesh::Client {
        self.client_with(callee, target, mesh::Policy::default())
    }

    /// As [`client`](Self::client), in another way than the usual.
    #[must_use]
    pub fn client_with(
        &self,
        callee: &'static str,
        target: &mesh::Target,
        policy: mesh::Policy,
    ) -> mesh::Client {
        self.callees.client(callee, target, policy, &self.peers)
    }
}

/// What a [`Front`] answers, and what it does meanwhile.
pub struct FrontService {
    answers: HttpService,
    spares: Spared,
    tasks: Vec<Task>,
}

impl FrontService {
    /// Answers every request with `service`.
    #[must_use]
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self { answers: BoxCloneSyncService::new(service), spares: Arc::new(|_| false), tasks: Vec::new() }
    }

    /// Lets these have more connections than one client may: proxies, which connect for many.
    #[must_use]
    pub fn sparing(mut self, is_proxy: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.spares = Arc::new(is_proxy);
        self
    }

    /// Works on this too, until [`FrontContext::stop`] is cancelled; if it ends before, the process stops.
    #[must_use]
    pub fn task(mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.tasks.push(Task::new(name, work));
        self
    }
}

impl fmt::Debug for FrontService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FrontService").finish_non_exhaustive()
    }
}

/// How many connections there may be at once, how many of them from one address, and what each may have under way: what
/// strangers send and nobody has read yet must fit into memory.
const CONNECTIONS: usize = 4096;
const OF_ONE_ADDRESS: usize = CONNECTIONS / 16;
/// Who connects has something to ask; the room is for those.
const SILENCE: Duration = Duration::from_secs(15);
const STREAMS: u32 = 128;
const WINDOW: u32 = 128 << 10;

/// Runs a [`Front`] until `stop`, then stops it in good order.
///
/// # Errors
/// It can't start, or a part of it ended by itself.
pub fn run_front<F: Front>(
    config: F::Config,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), Error>> {
    let plan = Plan {
        name: F::NAME,
        base: config.as_ref().clone(),
        build: Box::new(|context| F::build(config, context)),
    };
    plan.run(listeners, clock, stop)
}

/// A [`Front`] whose type is no matter any more.
struct Plan {
    name: &'static str,
    base: Base,
    build: Build<FrontContext, FrontService>,
}

impl Plan {
    /// Boxed here, so that it is compiled in this crate.
    fn run(
        self,
        listeners: Listeners,
        clock: Clock,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(run_as_planned(self, listeners, clock, stop))
    }
}

async fn run_as_planned(
    Plan { name, base, build }: Plan,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), Error> {
    let peers = Peers::configured(&base)?;
    let health = Health::new().await;
    let context = FrontContext {
        peers: peers.clone(),
        callees: Callees::new(&base),
        health: health.clone(),
        clock,
        stop: CancellationToken::new(),
        streams_end: CancellationToken::new(),
    };
    let admin = admin::open(name, listeners.admin, &health, context.streams_end.clone());
    let service = build(&context).await.map_err(|error| Error::Build(error.into_inner()))?;
    let mut tasks = Tasks::default();
    keep_fresh(&mut tasks, &peers, &context.stop);
    let mut beside = Tasks::default();
    let told = dependencies::watch_callees(context.callees.clone(), health.clone());
    beside.spawn(Task::new("dependencies", told));
    for task in service.tasks {
        tasks.spawn(task);
    }
    // Clients show no certificates.
    let terms = Terms {
        identity: None,
        share: Some(Share { most: OF_ONE_ADDRESS, spares: service.spares }),
        silence: SILENCE,
        streams: STREAMS,
        window: WINDOW,
        ..terms("clients", CONNECTIONS, &base, &peers, &context.streams_end)
    };
    let clients = Port::open(listeners.grpc, terms, service.answers);
    health.set_ready(&[], true).await;
    tracing::info!("ready");
    let ended = stop.run_until_cancelled(tasks.first_to_end()).await;
    let outcome = ended.map_or(Ok(()), |name| Err(Error::Task(name)));

    tracing::info!("stopping");
    health.set_ready(&[], false).await;
    if outcome.is_ok() {
        sleep(base.endpoint_propagation).await;
    }
    let deadlines = Deadlines::after(base.stop_grace);
    context.streams_end.cancel();
    clients.drain(deadlines.drained).await;
    context.stop.cancel();
    tasks.end(0, deadlines.end).await;
    tasks.cut().await;
    beside.cut().await;
    admin.drain(Instant::now() + ADMIN_DRAIN).await;
    tracing::info!("stopped");
    outcome
}
