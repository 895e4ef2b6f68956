//! Messages that were given up, kept with all that is needed to understand and to replay them.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use uuid::Uuid;

use crate::{consumer::Held, metrics};

/// Gives a message up. A repeat of it does nothing: the row takes the place of the one in the inbox.
pub(crate) async fn bury(
    tx: &impl ConnectionTrait,
    consumer: &'static str,
    id: Uuid,
    held: &Held,
    error: &str,
    attempts: i64,
) -> Result<(), DbErr> {
    let headers: BTreeMap<String, Vec<&str>> = held
        .headers()
        .into_iter()
        .flat_map(async_nats::HeaderMap::iter)
        .map(|(name, values)| {
            (name.to_string(), values.iter().map(async_nats::HeaderValue::as_str).collect())
        })
        .collect();
    let sql = "INSERT INTO dead_letters (consumer, event_id, subject, headers, payload, error, attempts)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (consumer, event_id) DO NOTHING";
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        [
            consumer.into(),
            id.into(),
            held.subject().into(),
            serde_json::json!(headers).into(),
            held.payload().to_vec().into(),
            printable(error).into(),
            i32::try_from(attempts).unwrap_or(i32::MAX).into(),
        ],
    );
    tx.execute_raw(statement).await?;
    tracing::error!(consumer, event = %values::EventId::from_uuid(id), error, attempts, "a message was given up");
    metrics::METRICS.dead_letters.add(1, &metrics::consumer(consumer));
    Ok(())
}

/// Postgres keeps every character but one.
fn printable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
