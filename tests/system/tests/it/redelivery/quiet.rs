//! When all that was told has been heard.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{Service, Shop};
use testkit::{Position, eventually};
use uuid::Uuid;
use values::EventId;

/// Who publishes, and to which stream.
pub(super) const STREAMS: [(Service, &str); 4] = [
    (Service::Identity, "IDENTITY"),
    (Service::Inventory, "INVENTORY"),
    (Service::Order, "ORDER"),
    (Service::Payment, "PAYMENT"),
];
/// Until everything that was published again has been handled again, on a busy machine.
const SOON: Duration = Duration::from_mins(2);

/// What is to become nothing before it is quiet: whatever a service still has to do, or to tell.
const LEFT_TO_DO: [(Service, &str); 4] = [
    (Service::Order, "SELECT count(*) FROM refreshes WHERE NOT is_repeat"),
    (Service::Order, "SELECT count(*) FROM orders WHERE state = 'PENDING'"),
    (Service::Payment, "SELECT count(*) FROM errands"),
    (Service::Notification, "SELECT count(*) FROM deliveries WHERE state = 'PENDING'"),
];

/// The durable consumers that a shop has, by stream.
#[derive(Debug)]
pub(super) struct Listeners(BTreeMap<&'static str, BTreeSet<String>>);

impl Listeners {
    pub(super) async fn of(shop: &Shop) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (_, stream) in STREAMS {
            all.insert(stream, shop.broker.positions(stream).await?.into_keys().collect());
        }
        Ok(Self(all))
    }

    /// Those of a stream.
    pub(super) fn to(&self, stream: &str) -> impl Iterator<Item = &str> {
        self.0.get(stream).into_iter().flatten().map(String::as_str)
    }

    /// Waits until each service has said all and heard all, and each stream holds what its outbox says that it holds.
    pub(super) async fn quiet(&self, shop: &Shop) -> Result<()> {
        let mut last = None;
        let mut why = String::new();
        let quiet = eventually("all was told and heard", SOON, async || {
            match self.look(shop).await {
                Ok(seen) if last.as_ref() == Some(&seen) => return Some(()),
                Ok(seen) => last = Some(seen),
                Err(reason) => {
                    last = None;
                    why = format!("{reason:#}");
                }
            }
            None
        });
        quiet.await.with_context(|| why.clone())?;
        held_where_noted(shop).await
    }

    /// Where everybody stands; an error while somebody has something left to do.
    async fn look(&self, shop: &Shop) -> Result<Vec<(u64, BTreeMap<String, Position>)>> {
        let mut seen = Vec::new();
        for (service, stream) in STREAMS {
            let positions = shop.broker.positions(stream).await?;
            for name in self.to(stream) {
                let position = positions.get(name).with_context(|| format!("no {name}"))?;
                anyhow::ensure!(position.pending == 0 && position.held == 0, "{name} stands at {position:?}");
            }
            let last = shop.broker.last_sequence(stream).await?.with_context(|| format!("no {stream}"))?;
            let noted: (i64, i64) = ask(
                shop,
                service,
                "SELECT count(*) FILTER (WHERE stream_sequence IS NULL), COALESCE(max(stream_sequence), 0)
                 FROM outbox",
            )
            .await?;
            anyhow::ensure!(noted.0 == 0, "{} has {} events to publish", service.name(), noted.0);
            anyhow::ensure!(noted.1.unsigned_abs() <= last, "{stream} ends at {last}, {} is noted", noted.1);
            seen.push((last, positions));
        }
        for (service, sql) in LEFT_TO_DO {
            let (left,): (i64,) = ask(shop, service, sql).await?;
            anyhow::ensure!(left == 0, "{}: {sql}: {left}", service.name());
        }
        Ok(seen)
    }
}

/// Waits until the broker has acknowledged everything that a service wrote.
pub(super) async fn all_published(shop: &Shop, service: Service) -> Result<()> {
    eventually("everything is published", SOON, async || {
        let unpublished = "SELECT count(*) FROM outbox WHERE stream_sequence IS NULL";
        let (rows,): (i64,) = ask(shop, service, unpublished).await.ok()?;
        (rows == 0).then_some(())
    })
    .await
}

async fn ask<T>(shop: &Shop, service: Service, sql: &str) -> Result<T>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
    let row = sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(row)
}

/// Each event lies where its outbox says that it lies.
async fn held_where_noted(shop: &Shop) -> Result<()> {
    for (service, stream) in STREAMS {
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        let noted: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT event_id, stream_sequence FROM outbox").fetch_all(&mut connection).await?;
        connection.close().await?;
        let stored = shop.broker.stored(stream).await?;
        let stored: HashMap<u64, Option<&str>> =
            stored.iter().map(|message| (message.sequence, message.header("ce-id"))).collect();
        for (event, sequence) in noted {
            let id = EventId::from_uuid(event).to_string();
            let there = stored.get(&sequence.unsigned_abs()).copied().flatten();
            anyhow::ensure!(
                there == Some(id.as_str()),
                "{stream} has {there:?} at {sequence}, where {id} is noted"
            );
        }
    }
    Ok(())
}
