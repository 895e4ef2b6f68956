use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use events::{CaughtUp, Event as _, Follower};
use proto::order::v1::{OrderCancelled, OrderPlaced};
use testkit::{Broker, Gate, eventually, publish};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::shop::{Running, SOON, Shop, pace, placed};

const WINDOW: Duration = Duration::from_mins(16);

/// A process that follows what is ordered.
struct Process {
    seen: Arc<Mutex<Vec<String>>>,
    caught_up: CaughtUp,
    _running: Running,
}

impl Process {
    async fn start(url: &str) -> Result<Self> {
        Self::start_with(url, WINDOW, |follower| follower).await
    }

    async fn start_with(
        url: &str,
        window: Duration,
        change: impl FnOnce(Follower) -> Follower,
    ) -> Result<Self> {
        let (nats, reconnects) = events::connect(url, None, "test").await?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let (follower, caught_up) = Follower::new("ORDER", window, nats, reconnects, move |notice| {
            let order = match (notice.read::<OrderPlaced>(), notice.read::<OrderCancelled>()) {
                (Some(Ok(event)), _) => event.order_id,
                (_, Some(Ok(event))) => format!("{} cancelled", event.order_id),
                _ => "?".to_owned(),
            };
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        });
        let stop = CancellationToken::new();
        let running = Running::start(change(follower).run(stop.clone()), stop);
        Ok(Self { seen, caught_up, _running: running })
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has seen these and nothing else, however often.
    async fn has_seen(&self, orders: &[&str], within: Duration) -> Result<()> {
        let expected: BTreeSet<String> = orders.iter().map(|order| (*order).to_owned()).collect();
        let seen = eventually("all is seen", within, async || {
            let seen: BTreeSet<String> = self.seen().into_iter().collect();
            (seen == expected).then_some(())
        });
        seen.await.with_context(|| format!("expected {expected:?}, saw {:?}", self.seen()))
    }

    async fn has_caught_up(&self) -> Result<()> {
        timeout(SOON, self.caught_up.wait()).await.context("it never caught up")
    }
}

async fn place(broker: &Broker, orders: &[&str]) -> Result<()> {
    for order in orders {
        publish(broker, order, 1, &placed(order)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_process_sees_what_happened_lately_and_within_a_second_what_happens() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a", "b", "c"]).await?;
    let (one, other) = (Process::start(broker.url()).await?, Process::start(broker.url()).await?);
    for process in [&one, &other] {
        process.has_caught_up().await?;
        assert_eq!(process.seen(), ["a", "b", "c"], "caught up means that all of it was handed over");
    }
    place(&broker, &["d"]).await?;
    for process in [&one, &other] {
        process.has_seen(&["a", "b", "c", "d"], Duration::from_secs(1)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn more_than_is_asked_for_at_a_time_is_seen_in_its_order() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["0000"]).await?;
    let jetstream = broker.jetstream().await?;
    let orders: Vec<String> = (0..1500).map(|number| format!("{number:04}")).collect();
    let mut acks = Vec::new();
    for order in &orders[1..] {
        let body = prost::Message::encode_to_vec(&placed(order));
        acks.push(jetstream.publish(OrderPlaced::SUBJECT, body.into()).await?);
    }
    for ack in acks {
        ack.await?;
    }
    let process = Process::start(broker.url()).await?;
    process.has_caught_up().await?;
    assert_eq!(process.seen(), orders);
    Ok(())
}

#[tokio::test]
async fn what_is_older_than_the_window_is_not_shown() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["old"]).await?;
    let process = Process::start_with(broker.url(), Duration::ZERO, |follower| follower).await?;
    process.has_caught_up().await?;
    place(&broker, &["new"]).await?;
    process.has_seen(&["new"], SOON).await
}

#[tokio::test]
async fn other_kinds_of_events_are_left_out_if_told_so() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a"]).await?;
    let cancelled = OrderCancelled { order_id: "a".to_owned(), ..OrderCancelled::default() };
    publish(&broker, "a", 2, &cancelled).await?;
    place(&broker, &["b"]).await?;
    let only = |follower: Follower| follower.only([OrderCancelled::SUBJECT]);
    let process = Process::start_with(broker.url(), WINDOW, only).await?;
    process.has_caught_up().await?;
    assert_eq!(process.seen(), ["a cancelled"]);
    Ok(())
}

#[tokio::test]
async fn an_empty_stream_is_caught_up_with_at_once_and_a_missing_one_is_waited_for() -> Result<()> {
    let broker = Broker::start().await?;
    let process = Process::start(broker.url()).await?;
    let connected = broker.client().await?;
    connected.flush().await?;
    assert!(!process.caught_up.is_caught_up());
    let config = async_nats::jetstream::stream::Config {
        name: "ORDER".to_owned(),
        subjects: vec!["bookstore.order.>".to_owned()],
        ..Default::default()
    };
    broker.jetstream().await?.create_stream(config).await?;
    process.has_caught_up().await?;
    assert!(process.caught_up.is_caught_up());
    place(&broker, &["a"]).await?;
    process.has_seen(&["a"], Duration::from_secs(1)).await
}

#[tokio::test]
async fn a_process_that_starts_without_a_broker_waits_and_then_catches_up() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a", "b"]).await?;
    broker.stop().await?;
    let process = Process::start(broker.url()).await?;
    assert!(timeout(Duration::from_millis(500), process.caught_up.wait()).await.is_err());
    broker.start_again().await?;
    process.has_caught_up().await?;
    process.has_seen(&["a", "b"], Duration::ZERO).await
}

#[tokio::test]
async fn following_goes_on_after_the_broker_was_restarted() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a"]).await?;
    let process = Process::start(broker.url()).await?;
    process.has_seen(&["a"], SOON).await?;
    broker.kill().await?;
    broker.start_again().await?;
    place(&broker, &["b"]).await?;
    process.has_seen(&["a", "b"], SOON).await
}

#[tokio::test]
async fn what_is_published_again_into_an_empty_store_is_not_passed_over() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a", "b", "c", "d"]).await?;
    let process = Process::start(broker.url()).await?;
    process.has_seen(&["a", "b", "c", "d"], SOON).await?;
    broker.kill().await?;
    broker.wipe().await?;
    broker.start_again().await?;
    // At sequences that lie behind it.
    place(&broker, &["e", "f"]).await?;
    process.has_seen(&["a", "b", "c", "d", "e", "f"], SOON).await
}

#[tokio::test]
async fn a_lost_tail_that_the_relay_publishes_again_is_not_passed_over() -> Result<()> {
    let shop = Shop::open().await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a", "b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    let process = Process::start(shop.broker.url()).await?;
    shop.lose(async || {
        shop.place(&["c", "d"]).await?;
        process.has_seen(&["a", "b", "c", "d"], SOON).await
    })
    .await?;
    shop.place(&["e"]).await?;
    process.has_seen(&["a", "b", "c", "d", "e"], SOON).await
}

#[tokio::test]
async fn a_stream_that_is_made_anew_behind_a_living_connection_is_noticed() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a", "b", "c"]).await?;
    let process = Process::start(broker.url()).await?;
    process.has_seen(&["a", "b", "c"], SOON).await?;
    broker.jetstream().await?.delete_stream("ORDER").await?;
    place(&broker, &["d"]).await?;
    process.has_seen(&["a", "b", "c", "d"], SOON).await
}

#[tokio::test]
async fn what_happens_while_the_connection_is_lost_is_seen_when_it_is_back() -> Result<()> {
    let broker = Broker::start().await?;
    let (gate, through) = Gate::before(broker.url()).await?;
    place(&broker, &["a"]).await?;
    let process = Process::start(&through).await?;
    process.has_seen(&["a"], SOON).await?;
    for (close, order) in [(Gate::close as fn(&Gate), "b"), (Gate::stall, "c")] {
        close(&gate);
        place(&broker, &[order]).await?;
        gate.open();
    }
    process.has_seen(&["a", "b", "c"], SOON).await
}

#[tokio::test]
async fn a_consumer_that_the_broker_has_forgotten_is_made_anew() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["a"]).await?;
    let process = Process::start(broker.url()).await?;
    process.has_seen(&["a"], SOON).await?;
    let stream = broker.jetstream().await?.get_stream("ORDER").await?;
    let names: Vec<String> = futures::TryStreamExt::try_collect(stream.consumer_names()).await?;
    assert_eq!(names.len(), 1);
    stream.delete_consumer(&names[0]).await?;
    place(&broker, &["b"]).await?;
    process.has_seen(&["a", "b"], SOON).await
}

#[tokio::test]
async fn nothing_is_shown_twice_while_nothing_is_lost() -> Result<()> {
    let broker = Broker::start().await?;
    place(&broker, &["old", "a"]).await?;
    let process = Process::start(broker.url()).await?;
    process.has_caught_up().await?;
    place(&broker, &["b"]).await?;
    // Well beyond a few comparisons with the stream.
    let since = tokio::time::Instant::now();
    eventually("some time", SOON, async || (since.elapsed() > Duration::from_secs(4)).then_some(())).await?;
    place(&broker, &["c"]).await?;
    process.has_seen(&["old", "a", "b", "c"], SOON).await?;
    assert_eq!(process.seen(), ["old", "a", "b", "c"]);
    Ok(())
}
