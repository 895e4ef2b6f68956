//! A service from its start to its stop.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, UNIX_EPOCH},
};

use auth::policy::Policies;
use futures::future::BoxFuture;
use sea_orm::DbErr;
use secrecy::ExposeSecret as _;
use telemetry::rpc::ServerLayer;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tower::Layer as _;
use values::Clock;

use crate::{
    Application, Config, Context, MigrateError, PeersError, Service, SqlMigration, admin,
    application::Build,
    call::{Calls, known_methods},
    config::Base,
    database, dead_letters,
    dependencies::{self, Callees},
    health::Health,
    listen::{Age, IDLE, Port, Terms, http_service},
    measures,
    migrate::migrate,
    peer::{Identified, Peers},
    revocations,
    service::Task,
    shed::Shed,
    stop::{Deadlines, Tasks},
};

/// The ports of a process, bound by whoever runs it.
#[derive(Debug)]
pub struct Listeners {
    /// For clients and other services.
    pub grpc: TcpListener,
    /// For the platform.
    pub admin: TcpListener,
}

/// Why a process ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database's address can't be used.
    #[error("BOOKSTORE_DATABASE_URL is wrong: {0}")]
    Database(#[source] DbErr),
    /// The broker's address can't be used.
    #[error("BOOKSTORE_NATS_URL is wrong: {0}")]
    Broker(#[from] events::ConnectError),
    /// The database could not be brought up to date.
    #[error(transparent)]
    Migrate(MigrateError),
    /// The contract can't be reflected.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A method that is served says not who may call it.
    #[error(transparent)]
    Policy(#[from] auth::policy::Error),
    /// Services can't be told apart as configured.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The process could not be put together.
    #[error("{0}")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Background work ended although nothing told it to.
    #[error("{0} ended, which only a stop should make it do")]
    Task(&'static str),
}

/// Between two tries to reach a database that is down at the start.
const DATABASE_POLL: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// How many connections there are at most: a few from each replica of the other services.
const CONNECTIONS: usize = 4096;

/// Until the platform's port is closed too.
pub(crate) const ADMIN_DRAIN: Duration = Duration::from_millis(500);

/// Runs a service until `stop`, then stops it in good order.
///
/// It answers from the start on: health says that it isn't ready, and calls are UNAVAILABLE, until the database is there
/// and migrated and all is known of tokens that were revoked lately.
///
/// # Errors
/// The service can't start, or a part of it ended by itself.
pub fn run<A: Application>(
    config: A::Config,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), Error>> {
    let plan = Plan {
        name: A::NAME,
        migrations: A::MIGRATIONS,
        config: config.as_ref().clone(),
        build: Box::new(|context| A::build(config, context)),
    };
    plan.run(listeners, clock, stop)
}

/// An [`Application`] whose type is no matter any more.
struct Plan {
    name: &'static str,
    migrations: &'static [SqlMigration],
    config: Config,
    build: Build<Context, Service>,
}

impl Plan {
    /// Boxed in a function without type parameters, the servers of all services are one type that is compiled in this
    /// crate. As a part of a generic future each program would have a copy of its own, down to HTTP/2.
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
    Plan { name, migrations, config: common, build }: Plan,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), Error> {
    let peers = Peers::configured(&common.base)?;
    let context = connect(name, &common, clock, peers.clone()).await?;
    let contract = Policies::of(proto::FILE_DESCRIPTOR_SET)?;
    let measured = ServerLayer::new(known_methods()?);
    let health = Health::new().await;
    let calls = Calls::new(&health, context.clock.clone(), context.streams_end.clone())?;

    let admin = admin::open(name, listeners.admin, &health, context.streams_end.clone());
    let bounded = Shed::new(calls.clone(), common.base.max_concurrent_calls, &contract);
    let grpc = Port::open(
        listeners.grpc,
        terms("grpc", CONNECTIONS, &common.base, &peers, &context.streams_end),
        http_service(Identified::new(measured.layer(bounded), peers.clone())),
    );
    let mut beside = Tasks::default();
    keep_fresh(&mut beside, &peers, &context.drained);
    beside.spawn(Task::new("dependencies", dependencies::watch(context.clone(), health.clone())));

    let mut rpcs = Vec::new();
    let mut tasks = Tasks::default();
    let serve = async {
        let service = start(migrations, build, &context).await?;
        let letters = context.dead_letters.clone();
        let service = service.rpc(dead_letters::service(letters.clone())).task(
            "dead letters",
            measures::repeat(context.stop.clone(), async move || letters.measure().await),
        );
        rpcs.clone_from(&service.rpcs);
        // Before the wait below, which may be long.
        let policies = contract.clone().only(rpcs.iter().copied())?;
        // identity notes its own at once; all others come by its events.
        let revocations = service.verifier.revocations().clone();
        let (follower, caught_up) = revocations::follower(
            context.nats.clone(),
            context.reconnects.clone(),
            context.clock.clone(),
            revocations,
        );
        tasks.spawn(Task::new("revocations", follower.run(context.drained.clone())));
        // Before readiness too: the stream that is followed is made by identity's own relay.
        for task in service.tasks {
            tasks.spawn(task);
        }
        tokio::select! {
            () = caught_up.wait() => {}
            name = tasks.first_to_end() => return Err(Error::Task(name)),
        }
        calls.open(service.routes, service.verifier, policies, context.pulse.clone());
        health.set_ready(&rpcs, true).await;
        tracing::info!("ready");
        Err(Error::Task(tasks.first_to_end().await))
    };
    // Boxed, so that what it borrows is given back where it ends.
    let outcome = stop.run_until_cancelled(Box::pin(serve)).await.unwrap_or(Ok(()));

    tracing::info!("stopping");
    let was_ready = health.is_ready();
    health.set_ready(&rpcs, false).await;
    if was_ready && outcome.is_ok() {
        sleep(common.base.endpoint_propagation).await;
    }
    let deadlines = Deadlines::after(common.base.stop_grace);
    context.stop.cancel();
    context.streams_end.cancel();
    grpc.drain(deadlines.drained).await;
    // Ends the batchers, which live as long as somebody may hand them something.
    drop(calls);
    // The relays and the follower, which end after all others.
    let last = context.relays.load(Ordering::Relaxed) + 1;
    tasks.end(last, deadlines.drained).await;
    context.drained.cancel();
    tasks.end(0, deadlines.end).await;
    tasks.cut().await;
    beside.cut().await;
    let _ = timeout_at(deadlines.end, context.db.close()).await;
    admin.drain(Instant::now() + ADMIN_DRAIN).await;
    tracing::info!("stopped");
    outcome
}

async fn connect(name: &'static str, config: &Config, clock: Clock, peers: Peers) -> Result<Context, Error> {
    let (db, pulse) =
        database::connect(&config.database_url, name, config.database_pool).await.map_err(Error::Database)?;
    let (nats, reconnects) =
        events::connect(config.nats_url.expose_secret(), config.nats_roots.as_deref(), name).await?;
    Ok(Context {
        name,
        stream_replicas: config.stream_replicas,
        peers,
        callees: Callees::new(&config.base),
        dead_letters: events::DeadLetters::new(db.clone()),
        relays: Arc::default(),
        drained: CancellationToken::new(),
        db,
        pulse,
        nats,
        reconnects,
        clock,
        stop: CancellationToken::new(),
        streams_end: CancellationToken::new(),
        database_url: config.database_url.clone(),
    })
}

/// How the port for calls takes connections.
pub(crate) fn terms(
    name: &'static str,
    connections: usize,
    base: &Base,
    peers: &Peers,
    streams_end: &CancellationToken,
) -> Terms {
    Terms {
        name,
        identity: peers.identity().cloned(),
        connections,
        share: None,
        silence: IDLE,
        streams: 1024,
        window: 1 << 20,
        age: Some(Age { most: base.max_connection_age, grace: base.max_connection_age_grace }),
        streams_end: streams_end.clone(),
    }
}

/// Takes over certificates as they are renewed, and tells when they end.
pub(crate) fn keep_fresh(tasks: &mut Tasks, peers: &Peers, stop: &CancellationToken) {
    let Some(identity) = peers.identity() else { return };
    let shown = identity.clone();
    telemetry::meter()
        .f64_observable_gauge("bookstore.tls.certificate.expiry")
        .with_description("When the certificate ends, in seconds since 1970")
        .with_unit("s")
        .with_callback(move |gauge| {
            let since = shown.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
            gauge.observe(since.as_secs_f64(), &[]);
        })
        .build();
    let (identity, stop) = (identity.clone(), stop.clone());
    tasks.spawn(Task::new("certificates", async move {
        stop.run_until_cancelled(identity.keep_fresh(REREAD)).await;
    }));
}

/// How often certificates are looked at.
const REREAD: Duration = Duration::from_secs(5);

/// Migrates and connects, however long the database takes to come, and puts the service together.
async fn start(
    migrations: &[SqlMigration],
    build: Build<Context, Service>,
    context: &Context,
) -> Result<Service, Error> {
    let mut pauses = DATABASE_POLL.into_iter();
    let mut pause = Duration::ZERO;
    while let Err(error) = migrate(&context.database_url, migrations).await {
        let MigrateError::Down(cause) = error else { return Err(Error::Migrate(error)) };
        if pause.is_zero() {
            tracing::warn!(database = %database::shown(&context.database_url), %cause, "waiting for the database");
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause).await;
    }
    // On a busy machine the first connections may take longer than a statement waits for one.
    database::patiently(|| database::warm(&context.db), |_| true).await.map_err(Error::Database)?;
    build(context).await.map_err(|error| Error::Build(error.into_inner()))
}
