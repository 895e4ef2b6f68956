//! Rows of the outbox become messages, many at a time.

use std::error::Error as _;

use async_nats::jetstream::{
    self, Context, ErrorCode,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    publish::PublishAck,
};
use futures::FutureExt as _;
use sea_orm::{DatabaseConnection, DbErr};
use tracing::Instrument as _;

use super::rows::{self, Notes, Row, signed};
use crate::{Reconnects, RelayConfig, metrics};

/// Answers that are about one message and won't change: too large, too large a header, no such subject in the stream.
const FOR_GOOD: [ErrorCode; 4] = [
    ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
    ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
    ErrorCode::BAD_REQUEST,
    ErrorCode::STREAM_NOT_MATCH,
];

pub(super) struct Publisher<'a> {
    pub(super) config: &'a RelayConfig,
    pub(super) db: &'a DatabaseConnection,
    pub(super) jetstream: &'a Context,
    /// Whether the stream had the row before these, and so may have these: the broker compares the sequence before it
    /// looks for duplicates, which don't make the stream longer. All are sent as the next message, whatever is missing
    /// stops the rest.
    pub(super) repeats: bool,
}

/// What the broker made of some rows.
pub(super) struct Published {
    /// The stream's last sequence, if nothing was disturbed.
    pub(super) last: u64,
    /// How many rows it has now.
    pub(super) noted: u64,
    /// Whether it had the last of these already.
    pub(super) repeats: bool,
    /// Why the stream isn't what we took it for; compare before publishing more.
    pub(super) disturbed: Option<String>,
}

/// A row that the broker refuses for good.
struct Refused {
    id: i64,
    reason: String,
}

impl Publisher<'_> {
    /// Publishes `rows` after the message `last`, all at once, and notes what was acknowledged.
    pub(super) async fn publish(
        &self,
        rows: &[Row],
        last: u64,
        reconnects: &mut Reconnects,
    ) -> Result<Published, DbErr> {
        self.send(rows, last, reconnects).instrument(self.span(rows)).await
    }

    async fn send(
        &self,
        rows: &[Row],
        mut last: u64,
        reconnects: &mut Reconnects,
    ) -> Result<Published, DbErr> {
        let mut sent = Vec::with_capacity(rows.len());
        let mut refused = Vec::new();
        let mut disturbed = None;
        for row in rows {
            match fault::around("relay.send", self.send_one(row, last)).await {
                Ok(ack) => {
                    last += u64::from(!self.repeats);
                    sent.push((row.id, ack));
                }
                Err(Unsent::Refused(reason)) => refused.push(Refused { id: row.id, reason }),
                Err(Unsent::Disturbed(reason)) => {
                    disturbed = Some(reason);
                    break;
                }
            }
        }

        let mut notes = Notes::default();
        let mut repeats = false;
        let mut broken = false;
        for (id, ack) in sent {
            // After a lost connection there is nothing to wait for: each of hundreds would take its full time-out.
            let answer = if broken {
                ack.into_future().now_or_never()
            } else {
                tokio::select! {
                    answer = ack.into_future() => Some(answer),
                    () = reconnects.changed() => None,
                }
            };
            match judge(answer) {
                Answer::Stored(sequence) => {
                    notes.push(id, sequence);
                    repeats = false;
                    last = last.max(sequence);
                }
                Answer::Duplicate(sequence) => {
                    notes.push(id, sequence);
                    repeats = true;
                    if !self.repeats {
                        disturbed.get_or_insert_with(|| "a message was already in the stream".to_owned());
                    }
                }
                Answer::Refused(reason) => {
                    disturbed.get_or_insert_with(|| reason.clone());
                    refused.push(Refused { id, reason });
                }
                Answer::Disturbed(reason) => drop(disturbed.get_or_insert(reason)),
                Answer::Silence(reason) => {
                    broken = true;
                    disturbed.get_or_insert(reason);
                }
            }
        }

        let published = notes.ids.len() as u64;
        if published > 0 {
            fault::around("relay.note.commit", rows::note(self.db, notes)).await?;
            metrics::METRICS.published.add(published, &metrics::stream(self.config.stream));
        }
        for row in refused {
            self.set_aside(row).await?;
        }
        Ok(Published { last, noted: published, repeats, disturbed })
    }

    async fn send_one(&self, row: &Row, last: u64) -> Result<PublishAckFuture, Unsent> {
        let config = self.config;
        let ours = row.subject.strip_prefix("bookstore.").and_then(|rest| rest.strip_prefix(config.service));
        if !ours.is_some_and(|rest| rest.starts_with('.')) {
            return Err(Unsent::Refused(format!("{} has no subject {}", config.stream, row.subject)));
        }
        let message = row
            .message(config.service, last)
            .map_err(|error| Unsent::Refused(format!("a header can't be written: {error}")))?;
        self.jetstream.send_publish(row.subject.clone(), message).await.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Unsent::Refused(error.to_string()),
            _ => Unsent::Disturbed(error.to_string()),
        })
    }

    async fn set_aside(&self, row: Refused) -> Result<(), DbErr> {
        tracing::error!(
            stream = self.config.stream,
            row = row.id,
            reason = row.reason,
            "the broker refuses an event for good: set aside, nobody will hear of it"
        );
        metrics::METRICS.refused.add(1, &metrics::stream(self.config.stream));
        fault::around("relay.refuse.commit", rows::refuse(self.db, row.id, row.reason)).await
    }

    /// In the trace of the first row, linked to those of the others.
    fn span(&self, rows: &[Row]) -> tracing::Span {
        let span = tracing::info_span!(
            target: telemetry::ENTRY,
            "publish",
            otel.name = format!("publish {}", self.config.stream),
            otel.kind = "client",
            messaging.system = "nats",
            messaging.operation.name = "publish",
            messaging.operation.r#type = "send",
            messaging.destination.name = self.config.stream,
            messaging.batch.message_count = rows.len(),
        );
        let traces = rows.iter().filter_map(|row| row.traceparent.as_deref());
        telemetry::propagation::join_traceparents(&span, traces);
        span
    }
}

impl Notes {
    fn push(&mut self, id: i64, sequence: u64) {
        self.ids.push(id);
        self.sequences.push(signed(sequence));
    }
}

enum Unsent {
    Refused(String),
    Disturbed(String),
}

enum Answer {
    Stored(u64),
    Duplicate(u64),
    Refused(String),
    Disturbed(String),
    Silence(String),
}

fn judge(answer: Option<Result<PublishAck, PublishError>>) -> Answer {
    match answer {
        None => Answer::Silence("the connection was lost".to_owned()),
        Some(Ok(ack)) if ack.duplicate => Answer::Duplicate(ack.sequence),
        Some(Ok(ack)) => Answer::Stored(ack.sequence),
        Some(Err(error)) => match error.kind() {
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => Answer::Silence(error.to_string()),
            _ if is_for_good(&error) => Answer::Refused(chain(&error)),
            _ => Answer::Disturbed(chain(&error)),
        },
    }
}

fn is_for_good(error: &PublishError) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<jetstream::Error>())
        .is_some_and(|source| FOR_GOOD.contains(&source.error_code()))
}

fn chain(error: &PublishError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
