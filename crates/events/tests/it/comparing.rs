use std::time::Duration;

use anyhow::Result;
use async_nats::jetstream::consumer::pull;
use futures::{FutureExt as _, StreamExt as _};
use testkit::{eventually, publish};

use crate::{
    recorder::Recorder,
    shop::{SOON, Shop, pace, placed, quick},
};

const UNPUBLISHED: &str = "SELECT count(*) FROM outbox WHERE stream_sequence IS NULL";

#[tokio::test]
async fn a_lost_tail_is_published_again_in_the_old_order() -> Result<()> {
    let shop = Shop::open().await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a", "b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    shop.lose(async || {
        shop.place(&["c", "d", "e"]).await?;
        shop.stream_is(&["a", "b", "c", "d", "e"]).await
    })
    .await?;
    shop.place(&["f"]).await?;
    shop.stream_is(&["a", "b", "c", "d", "e", "f"]).await?;
    assert!(shop.notes_are_right().await?);
    Ok(())
}

#[tokio::test]
async fn the_old_order_is_that_of_the_stream_and_not_that_of_the_rows() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a", "b", "c"]).await?;
    shop.stream_is(&["a", "b", "c"]).await?;
    relay.stop().await?;
    shop.jetstream().await?.delete_stream("ORDER").await?;
    shop.database.execute("UPDATE outbox SET stream_sequence = 10 - id").await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["c", "b", "a"]).await
}

#[tokio::test]
async fn publishing_again_does_not_move_the_time_of_the_first_publication() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    relay.stop().await?;
    let first = "SELECT first_published_at::text FROM outbox";
    let before = shop.text(first).await?;
    shop.jetstream().await?.delete_stream("ORDER").await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["a"]).await?;
    assert_eq!(shop.text(first).await?, before);
    Ok(())
}

/// As a relay leaves it that died while it published a lost tail again: some of it is in the stream and not noted.
#[tokio::test]
async fn what_was_published_again_and_not_noted_costs_no_comparison_each() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    let mut orders: Vec<String> = (0..700).map(|number| format!("{number:03}")).collect();
    shop.place(&orders.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    shop.number_becomes(UNPUBLISHED, 0).await?;
    relay.stop().await?;
    shop.database
        .execute("UPDATE outbox SET lost_sequence = stream_sequence, stream_sequence = NULL")
        .await?;
    shop.place(&["still lost", "also lost"]).await?;
    shop.database.execute("UPDATE outbox SET lost_sequence = 1000 + id WHERE lost_sequence IS NULL").await?;
    shop.place(&["new"]).await?;

    let client = shop.broker.client().await?;
    let mut comparisons = client.subscribe("$JS.API.STREAM.INFO.ORDER").await?;
    client.flush().await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.number_becomes(UNPUBLISHED, 0).await?;
    client.flush().await?;
    let mut compared = 0;
    while let Some(Some(_)) = comparisons.next().now_or_never() {
        compared += 1;
    }
    assert!(compared > 0, "the relay compares by another request now");
    assert!(compared < 20, "{compared} comparisons");

    orders.extend(["still lost", "also lost", "new"].map(str::to_owned));
    shop.stream_is(&orders.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    assert!(shop.notes_are_right().await?);
    Ok(())
}

#[tokio::test]
async fn an_empty_store_is_filled_again_and_its_consumer_made_anew() -> Result<()> {
    let shop = Shop::open().await?;
    let _relay = shop.start_relay(pace()).await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.place(&["a", "b", "c"]).await?;
    shop.handled_are(3).await?;
    shop.broker.stop().await?;
    shop.broker.wipe().await?;
    shop.broker.start_again().await?;
    shop.place(&["d"]).await?;
    shop.stream_is(&["a", "b", "c", "d"]).await?;
    shop.handled_are(4).await
}

#[tokio::test]
async fn a_stream_that_is_lost_without_a_reconnect_is_found_when_idle() -> Result<()> {
    let shop = Shop::open().await?;
    let often = events::Pace { compare: Duration::from_millis(50), ..pace() };
    let _relay = shop.start_relay(often).await?;
    shop.place(&["a", "b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    shop.jetstream().await?.delete_stream("ORDER").await?;
    shop.stream_is(&["a", "b"]).await
}

#[tokio::test]
async fn a_loss_that_nobody_told_of_is_noticed_by_the_next_publication() -> Result<()> {
    let shop = Shop::open().await?;
    let rarely = events::Pace { compare: Duration::from_hours(1), ..pace() };
    let _relay = shop.start_relay(rarely).await?;
    shop.place(&["a", "b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    let jetstream = shop.jetstream().await?;
    let config = jetstream.get_stream("ORDER").await?.cached_info().config.clone();
    jetstream.delete_stream("ORDER").await?;
    jetstream.create_stream(config).await?;
    shop.place(&["c"]).await?;
    shop.stream_is(&["a", "b", "c"]).await
}

#[tokio::test]
async fn a_foreign_message_in_the_stream_stops_nobody() -> Result<()> {
    let shop = Shop::open().await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    publish(&shop.broker, "foreign", 1, &placed("foreign")).await?;
    shop.place(&["b"]).await?;
    shop.stream_is(&["a", "foreign", "b"]).await?;
    assert_eq!(shop.number("SELECT stream_sequence FROM outbox WHERE aggregate_id = 'b'").await?, 3);
    Ok(())
}

/// The stream's last sequence alone would say that all is well.
#[tokio::test]
async fn foreign_messages_in_the_place_of_lost_ones_do_not_hide_the_loss() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a", "b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    relay.stop().await?;
    shop.lose(async || {
        let relay = shop.start_relay(pace()).await?;
        shop.place(&["c", "d"]).await?;
        shop.stream_is(&["a", "b", "c", "d"]).await?;
        relay.stop().await
    })
    .await?;
    for _ in 0..3 {
        publish(&shop.broker, "foreign", 1, &placed("foreign")).await?;
    }
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["a", "b", "foreign", "foreign", "foreign", "c", "d"]).await
}

#[tokio::test]
async fn the_relay_deletes_a_consumer_that_stands_ahead_of_the_stream() -> Result<()> {
    let shop = Shop::open().await?;
    let often = events::Pace { compare: Duration::from_millis(50), ..pace() };
    let _relay = shop.start_relay(often).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    for name in ["ahead", "sound"] {
        let config = pull::Config { durable_name: Some(name.to_owned()), ..pull::Config::default() };
        stream.create_consumer(config).await?;
    }
    put_ahead(&shop, "ahead").await?;
    eventually("the consumer that is ahead is gone", SOON, async || {
        stream.consumer_info("ahead").await.is_err().then_some(())
    })
    .await?;
    assert!(stream.consumer_info("sound").await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_consumer_finds_out_itself_that_it_stands_ahead_of_the_stream() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    let recorder = Recorder::plain();
    let often = events::ConsumerConfig { check: Duration::from_millis(100), ..quick() };
    let _consumer = shop.start_consumer(&recorder, often).await?;
    shop.handled_are(1).await?;
    // The relay compares every ten seconds only, and is not needed for this.
    put_ahead(&shop, "test_order_placed").await?;
    shop.place(&["b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    drop(relay);
    shop.handled_are(2).await
}

#[tokio::test]
async fn a_consumer_that_stands_ahead_at_its_start_is_made_anew() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    let consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.place(&["a"]).await?;
    shop.handled_are(1).await?;
    consumer.stop().await?;
    shop.place(&["b"]).await?;
    shop.stream_is(&["a", "b"]).await?;
    relay.stop().await?;
    put_ahead(&shop, "test_order_placed").await?;
    let rarely = events::ConsumerConfig { check: Duration::from_hours(1), ..quick() };
    let _consumer = shop.start_consumer(&Recorder::plain(), rarely).await?;
    shop.handled_are(2).await
}

/// As a consumer is whose stream was rolled back.
async fn put_ahead(shop: &Shop, durable: &str) -> Result<()> {
    let client = shop.broker.client().await?;
    let subject = format!("$JS.API.CONSUMER.RESET.ORDER.{durable}");
    let answer = client.request(subject, r#"{"seq":1000}"#.into()).await?;
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    // A relay may have deleted it in the meantime.
    if let Ok(info) = stream.consumer_info(durable).await {
        let position = info.delivered.stream_sequence;
        anyhow::ensure!(position == 999, "{position}: {:?}", answer.payload);
    }
    Ok(())
}
