//! What the stream holds against what the outbox says that it holds.
//!
//! The broker acknowledges before it writes to disk, so a crash may take the stream's last messages, or all of it.

use std::{str::FromStr as _, time::Duration};

use async_nats::jetstream::{
    Context, ErrorCode,
    context::GetStreamErrorKind,
    stream::{Config, RawMessageErrorKind, Stream},
};
use fault::{Guard, is_off};
use futures::TryStreamExt as _;
use sea_orm::{DatabaseConnection, DbErr};

use super::rows;
use crate::{EventId, RelayConfig};

/// How long the stream keeps messages.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Within which the broker itself drops a message that it has already.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// What a comparison found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// The stream's last sequence.
    pub(super) last: u64,
    /// How many rows it lost; they are marked and to be published again.
    pub(super) lost: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CompareError {
    #[error("broker: {0}")]
    Broker(#[source] async_nats::Error),
    #[error("database: {0}")]
    Database(#[from] DbErr),
}

fn broker(error: impl Into<async_nats::Error>) -> CompareError {
    CompareError::Broker(error.into())
}

/// Makes the stream if it is missing, deletes consumers that stand ahead of it, marks the rows that it lost.
pub(super) async fn compare(
    config: &RelayConfig,
    db: &DatabaseConnection,
    jetstream: &Context,
) -> Result<Comparison, CompareError> {
    let stream = find_or_make(config, jetstream).await?;
    if is_off(Guard::Comparison) {
        let state = stream.get_info().await.map_err(broker)?.state;
        return Ok(Comparison { last: state.last_sequence, lost: 0 });
    }
    // First the consumers, then the stream: a stream that grows meanwhile makes no consumer look as if it were ahead.
    let consumers: Vec<_> = stream.consumers().try_collect().await.map_err(broker)?;
    let state = stream.get_info().await.map_err(broker)?.state;

    for consumer in consumers {
        let position = consumer.delivered.stream_sequence;
        if position > state.last_sequence && !is_off(Guard::Position) {
            tracing::warn!(
                stream = config.stream,
                consumer = consumer.name,
                position,
                last = state.last_sequence,
                "a consumer stands ahead of the stream and would skip what is published again: deleted"
            );
            delete_consumer(&stream, &consumer.name).await?;
        }
    }

    let whole = whole_up_to(db, &stream, state.first_sequence, state.last_sequence).await?;
    let lost = fault::around("relay.mark_lost.commit", rows::mark_lost(db, whole)).await?;
    Ok(Comparison { last: state.last_sequence, lost })
}

async fn find_or_make(config: &RelayConfig, jetstream: &Context) -> Result<Stream, CompareError> {
    match jetstream.get_stream(config.stream).await {
        Ok(stream) => Ok(stream),
        Err(error) if is_missing(&error.kind()) => {
            tracing::info!(stream = config.stream, "the stream is missing: made");
            jetstream
                .create_stream(Config {
                    name: config.stream.to_owned(),
                    subjects: vec![format!("bookstore.{}.>", config.service)],
                    max_age: MAX_AGE,
                    duplicate_window: DUPLICATE_WINDOW,
                    num_replicas: config.replicas,
                    ..Config::default()
                })
                .await
                .map_err(broker)?;
            jetstream.get_stream(config.stream).await.map_err(broker)
        }
        Err(error) => Err(broker(error)),
    }
}

fn is_missing(error: &GetStreamErrorKind) -> bool {
    matches!(error, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

async fn delete_consumer(stream: &Stream, name: &str) -> Result<(), CompareError> {
    match stream.delete_consumer(name).await {
        Ok(_) => Ok(()),
        // Its own service made the same check.
        Err(_) if stream.consumer_info(name).await.is_err() => Ok(()),
        Err(error) => Err(broker(error)),
    }
}

/// The sequence up to which the stream holds the messages that the outbox notes there.
///
/// A tail that was lost may have grown again from elsewhere before we looked; then the stream's last sequence alone
/// tells nothing. Messages are compared by their ids from the end, in steps that double: one request if all is well.
async fn whole_up_to(
    db: &DatabaseConnection,
    stream: &Stream,
    first: u64,
    last: u64,
) -> Result<u64, CompareError> {
    let mut limit = last;
    let mut step = 1;
    loop {
        let Some((sequence, events)) = rows::noted_up_to(db, limit).await? else { return Ok(limit) };
        if sequence < first {
            return Ok(limit);
        }
        match stream.get_raw_message(sequence).await {
            Ok(message) => {
                let id = message.headers.get("Nats-Msg-Id").map(async_nats::HeaderValue::as_str);
                let id = id.and_then(|id| EventId::from_str(id).ok());
                if id.is_some_and(|id| events.contains(&id)) {
                    // Nothing is noted between the two.
                    return Ok(limit);
                }
            }
            // Someone deleted this message on purpose.
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(limit),
            Err(error) => return Err(broker(error)),
        }
        limit = sequence.saturating_sub(step);
        step *= 2;
    }
}
