use async_nats::jetstream::{
    Context, ErrorCode,
    consumer::{self, AckPolicy, DeliverPolicy, PullConsumer, pull},
    context::GetStreamErrorKind,
    stream::Stream,
};

use fault::{Guard, is_off};

use super::ConsumerConfig;

/// How many messages may be held or sent back at a time by all replicas together. Those that came too early count.
const MAX_ACK_PENDING: i64 = 20_000;

/// Makes the durable consumer if it is missing, and anew if it stands ahead of the stream: it would skip what is
/// published again at the sequences that it has behind it. What comes twice is absorbed by the inbox. `None` while there
/// is no stream; its publisher will make it.
pub(super) async fn attach(
    jetstream: &Context,
    config: &ConsumerConfig,
    durable: &'static str,
    subject: &'static str,
) -> Result<Option<PullConsumer>, async_nats::Error> {
    let Some(stream) = find_stream(jetstream, config.stream).await? else { return Ok(None) };
    let wanted = pull::Config {
        durable_name: Some(durable.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: config.ack_wait,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        filter_subject: subject.to_owned(),
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(wanted.clone()).await?;
    if !is_ahead(&stream, consumer.cached_info()).await? {
        return Ok(Some(consumer));
    }
    tracing::warn!(
        consumer = durable,
        position = consumer.cached_info().delivered.stream_sequence,
        "the consumer stands ahead of its stream: made anew from the start"
    );
    stream.delete_consumer(durable).await?;
    Ok(Some(stream.create_consumer(wanted).await?))
}

/// Whether the durable consumer is there and stands where it may, and how many messages it has yet to handle.
pub(super) async fn check(
    jetstream: &Context,
    config: &ConsumerConfig,
    durable: &'static str,
) -> Result<Option<u64>, async_nats::Error> {
    let Some(stream) = find_stream(jetstream, config.stream).await? else { return Ok(None) };
    let Ok(info) = stream.consumer_info(durable).await else { return Ok(None) };
    if is_ahead(&stream, &info).await? {
        return Ok(None);
    }
    Ok(Some(info.num_pending + info.num_ack_pending as u64))
}

/// Asked after the consumer was: a stream that grows meanwhile makes no consumer look as if it were ahead.
async fn is_ahead(stream: &Stream, consumer: &consumer::Info) -> Result<bool, async_nats::Error> {
    if is_off(Guard::Position) {
        return Ok(false);
    }
    let last = stream.get_info().await?.state.last_sequence;
    Ok(consumer.delivered.stream_sequence > last)
}

/// `None` if there is no such stream.
pub(crate) async fn find_stream(
    jetstream: &Context,
    name: &str,
) -> Result<Option<Stream>, async_nats::Error> {
    match jetstream.get_stream(name).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(error.into()),
        },
    }
}
