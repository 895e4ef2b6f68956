//! A service from its start to its stop.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use sea_orm::DbErr;
use secrecy::ExposeSecret as _;
use telemetry::rpc::ServerLayer;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceExt as _};
use values::Clock;

use crate::{
    Application, Config, Context, MigrateError, Service, admin,
    call::{Calls, known_methods},
    database, dead_letters,
    health::Health,
    listen::Port,
    migrate::migrate,
    service::Task,
};

/// The ports of a service, bound by whoever runs it.
#[derive(Debug)]
pub struct Listeners {
    /// For clients and other services.
    pub grpc: TcpListener,
    /// For the platform.
    pub admin: TcpListener,
}

/// Why a service ended by itself.
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
    /// The peer secret can't be used.
    #[error("BOOKSTORE_PEER_SECRET is wrong: it {0}")]
    PeerSecret(#[from] auth::PeerSecretError),
    /// The service could not be put together.
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

/// Runs a service until `stop`, then stops it in good order.
///
/// It answers from the start on: health says that it isn't ready, and calls are UNAVAILABLE, until the database is there
/// and migrated.
///
/// # Errors
/// The service can't start, or a part of it ended by itself.
pub async fn run<A: Application>(
    config: A::Config,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), Error> {
    let common = config.as_ref().clone();
    let context = connect::<A>(&common, clock).await?;
    let health = Health::new().await;
    let calls = Calls::new(&health, &context)?;
    let measured = ServerLayer::new(known_methods()?);

    let admin = Port::open(listeners.admin, admin::router(A::NAME, &health).map_request(axum_request));
    let grpc = Port::open(listeners.grpc, measured.layer(calls.clone()));

    let mut rpcs = Vec::new();
    let mut tasks = JoinSet::new();
    let outcome = match stop.run_until_cancelled(start::<A>(config, &context)).await {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(service)) => {
            let service = service.rpc(dead_letters::service(context.dead_letters.clone()));
            rpcs.clone_from(&service.rpcs);
            for task in service.tasks {
                spawn(&mut tasks, task);
            }
            calls.open(service.routes, service.verifier);
            health.set_ready(&rpcs, true).await;
            tracing::info!("ready");
            stop.run_until_cancelled(first_to_end(&mut tasks))
                .await
                .map_or(Ok(()), |name| Err(Error::Task(name)))
        }
    };

    tracing::info!("stopping");
    health.set_ready(&rpcs, false).await;
    if outcome.is_ok() {
        sleep(common.endpoint_propagation).await;
    }
    let deadline = Instant::now() + common.stop_grace;
    context.stop.cancel();
    context.streams_end.cancel();
    grpc.drain(deadline).await;
    // Ends the batchers, which live as long as somebody may hand them something.
    drop(calls);
    if timeout_at(deadline, all_to_end(&mut tasks)).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "background work did not end in time and is cut");
    }
    tasks.shutdown().await;
    let _ = timeout_at(deadline, context.db.close()).await;
    admin.drain(deadline.min(Instant::now() + Duration::from_secs(1))).await;
    tracing::info!("stopped");
    outcome
}

async fn connect<A: Application>(config: &Config, clock: Clock) -> Result<Context, Error> {
    let db = database::connect(&config.database_url, A::NAME, config.database_pool)
        .await
        .map_err(Error::Database)?;
    let (nats, reconnects) = events::connect(config.nats_url.expose_secret(), A::NAME).await?;
    Ok(Context {
        name: A::NAME,
        stream_replicas: config.stream_replicas,
        dead_letters: events::DeadLetters::new(db.clone()),
        db,
        nats,
        reconnects,
        clock,
        stop: CancellationToken::new(),
        streams_end: CancellationToken::new(),
        database_url: config.database_url.clone(),
        peer_secret: config.peer_secret.clone(),
    })
}

/// Migrates, however long the database takes to come, and puts the service together.
async fn start<A: Application>(config: A::Config, context: &Context) -> Result<Service, Error> {
    let mut pauses = DATABASE_POLL.into_iter();
    let mut pause = Duration::ZERO;
    while let Err(error) = migrate(&context.database_url, A::MIGRATIONS).await {
        let MigrateError::Down(cause) = error else { return Err(Error::Migrate(error)) };
        if pause.is_zero() {
            tracing::warn!(database = %database::shown(&context.database_url), %cause, "waiting for the database");
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause).await;
    }
    A::build(config, context).await.map_err(|error| Error::Build(error.into_inner()))
}

fn spawn(tasks: &mut JoinSet<&'static str>, Task { name, work }: Task) {
    tasks.spawn(async move {
        // What a panic leaves behind is not looked at again: the process ends.
        let _ = AssertUnwindSafe(work).catch_unwind().await;
        name
    });
}

/// Which task ended; never, while all go on.
async fn first_to_end(tasks: &mut JoinSet<&'static str>) -> &'static str {
    match tasks.join_next().await {
        Some(ended) => ended.unwrap_or("background work"),
        None => std::future::pending().await,
    }
}

async fn all_to_end(tasks: &mut JoinSet<&'static str>) {
    while tasks.join_next().await.is_some() {}
}

fn axum_request(request: http::Request<hyper::body::Incoming>) -> http::Request<axum::body::Body> {
    request.map(axum::body::Body::new)
}
