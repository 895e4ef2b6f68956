//! What lies before the service's first start: nobody is told of it.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, connection,
    jetstream::{self, Context, ErrorCode, context::GetStreamErrorKind},
};
use events::HandleError;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::sleep;

use crate::store::first_start::{self, End};

/// The streams of which people are told.
pub(crate) const STREAMS: [&str; 3] = ["IDENTITY", "ORDER", "PAYMENT"];

/// Until the broker or the database is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// Where each stream ended at the first start, which is noted once for all replicas and for ever.
///
/// Places in a stream are compared, not times: the clocks of other machines say nothing reliable about what came first.
/// A stream that the broker has lost and that was made anew counts from 1 again; it is another one, and all of it is
/// after the first start but for what the inbox knows.
#[derive(Clone, Debug)]
pub(crate) struct FirstStart {
    ends: Arc<[End]>,
    jetstream: Context,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the broker is not there")]
    Broker,
    #[error("the streams can't be asked: {0}")]
    Streams(async_nats::Error),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl FirstStart {
    /// Reads what was noted, or notes it now: then it waits for the broker.
    pub(crate) async fn note(db: &DatabaseConnection, nats: &Client) -> Self {
        let jetstream = jetstream::new(nats.clone());
        let mut is_told = false;
        loop {
            match read_or_note(db, nats, &jetstream).await {
                Ok(ends) => return Self { ends: ends.into(), jetstream },
                Err(error) if is_told => tracing::debug!(%error, "the first start can't be noted yet"),
                Err(error) => {
                    is_told = true;
                    tracing::warn!(%error, "the first start can't be noted yet");
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Which of these places in a stream lie before the first start. A dead letter has no place, and is told: somebody
    /// asks for it.
    pub(crate) async fn precede(
        &self,
        stream: &str,
        places: &[Option<u64>],
    ) -> Result<Vec<bool>, HandleError> {
        let end = self.ends.iter().find(|end| end.stream == stream);
        let last = end.map_or(0, |end| end.last_sequence.unsigned_abs());
        let lies_before = |place: &Option<u64>| place.is_some_and(|place| place <= last);
        if !places.iter().any(lies_before) {
            return Ok(vec![false; places.len()]);
        }
        let now = look(&self.jetstream, stream).await;
        let now = now.map_err(|error| HandleError::Unavailable(Error::Streams(error).to_string()))?;
        let is_same = end.is_some_and(|end| end.incarnation == now.incarnation);
        Ok(places.iter().map(|place| is_same && lies_before(place)).collect())
    }
}

async fn read_or_note(
    db: &DatabaseConnection,
    nats: &Client,
    jetstream: &Context,
) -> Result<Vec<End>, Error> {
    let noted = first_start::read(db).await?;
    if STREAMS.iter().all(|stream| noted.iter().any(|end| end.stream == *stream)) {
        return Ok(noted);
    }
    if nats.connection_state() != connection::State::Connected {
        return Err(Error::Broker);
    }
    let mut ends = Vec::with_capacity(STREAMS.len());
    for stream in STREAMS {
        ends.push(look(jetstream, stream).await.map_err(Error::Streams)?);
    }
    fault::around("notification.first_start.commit", first_start::note(db, &ends)).await?;
    // Another replica may have been faster.
    Ok(first_start::read(db).await?)
}

/// Where a stream ends now. One that isn't there is empty: whoever publishes to it makes it first.
async fn look(jetstream: &Context, stream: &str) -> Result<End, async_nats::Error> {
    let (incarnation, last_sequence) = match jetstream.get_stream(stream).await {
        Ok(found) => {
            let info = found.cached_info();
            (Some(info.created.unix_timestamp_nanos().to_string()), info.state.last_sequence)
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                (None, 0)
            }
            _ => return Err(error.into()),
        },
    };
    let last_sequence = i64::try_from(last_sequence)?;
    Ok(End { stream: stream.to_owned(), incarnation, last_sequence })
}
