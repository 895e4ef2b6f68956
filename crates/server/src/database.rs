//! The service's own database.

mod pulse;

use std::{fmt, future::ready, io, time::Duration};

pub use events::answered;
use events::{Failure, failure};
use opentelemetry::KeyValue;
pub use pulse::Pulse;
use pulse::Signs;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement, Value,
    sqlx::{self, Connection as _, PgConnection},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{sleep, timeout};
use values::{Currency, Money};

/// How long a statement waits for a connection. Whoever calls hears much sooner that the database is down, by its
/// [`Pulse`]; that all connections are in use says only that it is busy.
const ACQUIRE: Duration = Duration::from_secs(3);
/// A connection that lay idle for longer is tried before it is used: the database may have been restarted meanwhile.
const IDLE_BEFORE_TEST: Duration = Duration::from_millis(500);

/// A pool that connects when it is first used, so that it can be made while the database is down; and what tells whether
/// the database lives.
pub async fn connect(
    url: &SecretString,
    service: &str,
    connections: u32,
) -> Result<(DatabaseConnection, Pulse), DbErr> {
    let signs = Signs::new();
    let answered = signs.clone();
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(connections)
        .connect_lazy(true)
        .acquire_timeout(ACQUIRE)
        .sqlx_logging(false)
        .set_application_name(format!("bookstore-{service}"))
        .map_sqlx_postgres_opts(|options| options.options(SETTINGS).options(KEEPALIVES))
        .map_sqlx_postgres_pool_opts(move |pool| {
            let [connected, tried, freed] = std::array::from_fn(|_| answered.clone());
            pool.after_connect(move |_, _| {
                connected.beats();
                Box::pin(ready(Ok(())))
            })
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let tried = tried.clone();
                Box::pin(async move {
                    if meta.idle_for >= IDLE_BEFORE_TEST {
                        answers(connection).await?;
                        tried.beats();
                    }
                    Ok(true)
                })
            })
            .after_release(move |connection, _| {
                let freed = freed.clone();
                Box::pin(async move { is_free(connection).await.inspect(|_| freed.beats()) })
            })
        });
    let mut db = Database::connect(options).await?;
    let answered = signs.clone();
    db.set_metric_callback(move |statement| {
        if !statement.failed {
            answered.beats();
        }
    });
    watch(&db);
    let pulse = Pulse::new(signs, db.get_postgres_connection_pool().clone());
    Ok((db, pulse))
}

/// How long a connection that lay idle may take to show that it leads somewhere, before another is made.
const ANSWER: Duration = Duration::from_secs(1);

async fn answers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    timeout(ANSWER, connection.ping())
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// How long a connection may take to show that it answers, before it goes back.
const RELEASE: Duration = Duration::from_secs(2);
/// Ends whatever transaction there is, in one round trip, and says nothing of it if there is none. One that has failed
/// refuses it, and ends with its connection.
const END: &str = "START TRANSACTION; ROLLBACK";

/// Ends a connection that leads nowhere, and a transaction that is still open on one.
///
/// The pool itself waits for an answer for ever, and with it goes the place that another connection could have. And sqlx
/// 0.9.0 forgets a transaction whose BEGIN was given up on its way, as it is when a caller goes away
/// (transact-rs/sqlx#4393): what the next one wrote on that connection was answered and never committed.
async fn is_free(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(RELEASE, sqlx::raw_sql(END).execute(connection)).await {
        Ok(answer) => answer.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Connections that a new replica has before it is ready: the calls that it gets at once then don't wait for so many to
/// be made.
const READY_WITH: u32 = 8;

/// Makes the first connections one after the other, so that replicas that start together leave the database time for
/// those that take calls; an error if there is none in the end.
pub(crate) async fn warm(db: &DatabaseConnection) -> Result<(), DbErr> {
    let pool = db.get_postgres_connection_pool();
    // Held until all are there, or the first would be lent again.
    let mut made = Vec::new();
    for _ in 0..READY_WITH.min(pool.options().get_max_connections()) {
        match pool.acquire().await {
            Ok(connection) => made.push(connection),
            Err(_) => break,
        }
    }
    if made.is_empty() { db.ping().await } else { Ok(()) }
}

/// Until a database that is down is asked again by a service that starts.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Asks what a service must know before it is put together, for as long as the database is down.
///
/// # Errors
/// Any other than that the database `is_down`.
pub async fn patiently<T, E: fmt::Display, F: Future<Output = Result<T, E>> + Send>(
    ask: impl Fn() -> F + Send,
    is_down: impl Fn(&E) -> bool + Send,
) -> Result<T, E> {
    loop {
        match ask().await {
            Err(error) if is_down(&error) => {
                tracing::debug!(%error, "no answer of the database yet");
                sleep(ASK_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// What every session of a service asks of the server.
const SETTINGS: [(&str, &str); 9] = [
    // A plan made for the first parameters seen costs up to three times the generic one at few callers.
    ("plan_cache_mode", "force_generic_plan"),
    // A plan is kept for as long as a session, and may be made while its tables are empty, when reading them whole looks
    // cheap. Every statement of a service has an index to go by.
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // As on any disk without a moving arm; what a shop works with is in memory anyway.
    ("random_page_cost", "1.1"),
    // For statements of minutes; what is planned around a missing index would look like one.
    ("jit", "off"),
    // A replica that freezes in a transaction must not keep its rows from the others. Ours take milliseconds.
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "15s"),
];

/// So that the server ends the session, and frees the locks, of a machine that is gone without a word.
pub(crate) const KEEPALIVES: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// How many connections are in use and idle, by OpenTelemetry's conventions.
fn watch(db: &DatabaseConnection) {
    let pool = db.get_postgres_connection_pool().clone();
    telemetry::meter()
        .u64_observable_gauge("db.client.connection.count")
        .with_description("Connections of the pool, by whether they are used or idle")
        .with_callback(move |connections| {
            let state = |name: &'static str| [KeyValue::new("db.client.connection.state", name)];
            let idle = pool.num_idle() as u64;
            connections.observe(idle, &state("idle"));
            connections.observe(u64::from(pool.size()).saturating_sub(idle), &state("used"));
        })
        .build();
    let pool = db.get_postgres_connection_pool().clone();
    telemetry::meter()
        .u64_observable_gauge("db.client.connection.max")
        .with_description("Connections that the pool may have")
        .with_callback(move |connections| {
            connections.observe(u64::from(pool.options().get_max_connections()), &[]);
        })
        .build();
}

/// A statement with its values for `$1`, `$2`, ….
#[must_use]
pub fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// What was stored by us must be readable by us.
///
/// # Errors
/// It isn't.
pub fn stored<T, E: fmt::Display>(parsed: Result<T, E>) -> Result<T, DbErr> {
    parsed.map_err(|error| DbErr::Type(format!("a stored value {error}")))
}

/// An amount of money that was stored as its two parts.
///
/// # Errors
/// The currency isn't one.
pub fn money(minor_units: i64, currency_code: &str) -> Result<Money, DbErr> {
    let currency: Currency = stored(currency_code.parse())?;
    Ok(Money::new(minor_units, currency))
}

/// Whether the database, not the statement, is to blame, so that the same statement may succeed later.
#[must_use]
pub fn is_down(error: &DbErr) -> bool {
    failure(error) == Failure::Down
}

/// Whether another transaction was in the way, so that the same transaction may succeed at once.
#[must_use]
pub fn is_conflict(error: &DbErr) -> bool {
    failure(error) == Failure::Conflict
}

/// The constraint that refused a statement, if one did.
#[must_use]
pub fn refused_by(error: &DbErr) -> Option<&str> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    cause.as_database_error()?.constraint()
}

/// A database's URL without its password, for messages.
pub(crate) fn shown(url: &SecretString) -> impl fmt::Display {
    let options: Result<sqlx::postgres::PgConnectOptions, _> = url.expose_secret().parse();
    options.map_or_else(
        |_| "the database".to_owned(),
        |options| {
            let database = options.get_database().unwrap_or(options.get_username());
            format!("{}:{}/{database}", options.get_host(), options.get_port())
        },
    )
}
