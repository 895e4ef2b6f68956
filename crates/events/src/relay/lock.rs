//! Which of a service's replicas publishes.

use std::{str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

/// The relay's number among a database's advisory locks; each service has its own database.
const RELAY: i64 = 0x0062_6f6f_6b73_0001;

const POLL: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_secs(2);

/// Makes the server notice within seconds that the machine which held the lock is gone, and give it to another one.
const KEEPALIVES: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "2"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
];

/// An advisory lock on a connection of its own: one from the pool would go back to it with the lock.
pub(super) struct Lock(PgConnection);

impl Lock {
    /// Waits until the lock is ours.
    pub(super) async fn acquire(url: &SecretString) -> Result<Self, sqlx::Error> {
        let options =
            PgConnectOptions::from_str(url.expose_secret())?.application_name("relay").options(KEEPALIVES);
        let mut connection = answer(PgConnection::connect_with(&options)).await?;
        // Polled, since a session that waits in pg_advisory_lock holds up CREATE INDEX CONCURRENTLY.
        loop {
            let ours = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)")
                .bind(RELAY)
                .fetch_one(&mut connection);
            if answer(ours).await? {
                return Ok(Self(connection));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the session that holds the lock is alive.
    pub(super) async fn is_held(&mut self) -> bool {
        answer(self.0.ping()).await.is_ok()
    }

    /// Lets another replica publish at once.
    pub(super) async fn release(self) {
        // Should it fail, the server finds out by its keepalives.
        let _ = answer(self.0.close()).await;
    }
}

async fn answer<T>(query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(ANSWER, query).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
