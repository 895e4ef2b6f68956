use std::time::Duration;

use anyhow::Result;
use events::HandleError;
use testkit::{eventually, publish, publish_as};
use values::EventId;

use crate::{
    recorder::{Fate, Recorder},
    shop::{SOON, Shop, pace, placed, quick},
};

#[tokio::test]
async fn messages_are_handled_in_batches() -> Result<()> {
    let shop = Shop::open().await?;
    let orders: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    for order in &orders {
        shop.place(&[order]).await?;
    }
    let _relay = shop.start_relay(pace()).await?;
    shop.number_becomes("SELECT count(*) FROM outbox WHERE stream_sequence IS NULL", 0).await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(300).await?;
    let batches = recorder.batches();
    assert!(batches.iter().all(|batch| batch.is_sorted()), "in the order of the stream");
    let mut handled = batches.concat();
    handled.sort();
    assert_eq!(handled, orders);
    assert!(batches.len() <= 30, "{} transactions for 300 messages", batches.len());
    assert!(batches.iter().all(|batch| batch.len() <= 128));
    Ok(())
}

#[tokio::test]
async fn beside_a_batch_that_waits_for_an_answer_full_ones_are_handled_and_no_others() -> Result<()> {
    let shop = Shop::open().await?;
    for order in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let recorder = Recorder::plain().lost_at_first();
    let _consumer =
        shop.start_consumer(&recorder, events::ConsumerConfig { max_batch: 4, ..quick() }).await?;
    shop.handled_are(11).await?;
    let batches = recorder.batches();
    let with_a = batches.iter().position(|batch| batch.contains(&"a".to_owned()));
    assert!(with_a > Some(0), "{batches:?}");
    assert!(batches.iter().take(with_a.unwrap_or_default()).all(|batch| batch.len() == 4), "{batches:?}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_comes_again_has_no_effect() -> Result<()> {
    let shop = Shop::open().await?;
    let id = EventId::new();
    publish_as(&shop.broker, id, "a", 1, &placed("a")).await?;
    publish_as(&shop.broker, id, "a", 1, &placed("a")).await?;
    let recorder = Recorder::plain();
    let consumer = shop.start_consumer(&recorder, quick()).await?;
    publish(&shop.broker, "b", 1, &placed("b")).await?;
    shop.handled_are(2).await?;
    publish_as(&shop.broker, id, "a", 1, &placed("a")).await?;
    all_acknowledged(&shop).await?;
    shop.handled_are(2).await?;
    consumer.stop().await
}

#[tokio::test]
async fn a_durable_that_was_deleted_is_remade_from_the_start() -> Result<()> {
    let shop = Shop::open().await?;
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(1).await?;
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    stream.delete_consumer("test_order_placed").await?;
    publish(&shop.broker, "b", 1, &placed("b")).await?;
    shop.handled_are(2).await?;
    let info = stream.consumer_info("test_order_placed").await?;
    assert_eq!(info.delivered.consumer_sequence, 2, "the first message came again");
    Ok(())
}

#[tokio::test]
async fn a_consumer_waits_for_a_stream_that_is_not_there_yet() -> Result<()> {
    let shop = Shop::open().await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.place(&["a"]).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.handled_are(1).await
}

#[tokio::test]
async fn a_consumer_starts_before_the_broker_does() -> Result<()> {
    let shop = Shop::open().await?;
    shop.broker.stop().await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.broker.start_again().await?;
    shop.handled_are(1).await
}

#[tokio::test]
async fn consuming_goes_on_after_the_broker_was_away() -> Result<()> {
    let shop = Shop::open().await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.handled_are(1).await?;
    shop.broker.kill().await?;
    shop.place(&["b"]).await?;
    shop.broker.start_again().await?;
    shop.handled_are(2).await?;
    all_acknowledged(&shop).await
}

#[tokio::test]
async fn two_replicas_share_the_work() -> Result<()> {
    let shop = Shop::open().await?;
    let (one, other) = (Recorder::plain().named("one"), Recorder::plain().named("other"));
    let small = events::ConsumerConfig { max_batch: 4, ..quick() };
    let _one = shop.start_consumer(&one, small.clone()).await?;
    let _other = shop.start_consumer(&other, small).await?;
    let _relay = shop.start_relay(pace()).await?;
    let mut placed = 0;
    eventually("both have handled something", SOON, async || {
        shop.place(&["a", "b", "c", "d", "e", "f", "g", "h"]).await.ok()?;
        placed += 8;
        (shop.number("SELECT count(DISTINCT handled_by) FROM effects").await.ok()? == 2).then_some(())
    })
    .await?;
    shop.number_becomes("SELECT count(*) FROM effects", placed).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.number("SELECT count(*) FROM effects").await?, placed);
    Ok(())
}

#[tokio::test]
async fn a_stopped_consumer_leaves_what_it_did_not_handle_to_others_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    let patient = events::ConsumerConfig { ack_wait: Duration::from_mins(2), ..quick() };
    let down = Recorder::new(|_| Fate::Break(HandleError::Unavailable("down".to_owned())));
    let consumer = shop.start_consumer(&down, patient.clone()).await?;
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    eventually("it holds a message", SOON, async || (!down.batches().is_empty()).then_some(())).await?;
    for order in ["b", "c"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    eventually("two more wait there", SOON, async || {
        (stream.consumer_info("test_order_placed").await.ok()?.num_ack_pending == 3).then_some(())
    })
    .await?;
    consumer.stop().await?;
    let _other = shop.start_consumer(&Recorder::plain(), patient).await?;
    shop.handled_are(3).await
}

#[tokio::test]
async fn what_is_in_the_inbox_for_a_month_is_deleted() -> Result<()> {
    let shop = Shop::open().await?;
    shop.database
        .execute(
            "INSERT INTO inbox (consumer, event_id, handled_at) VALUES
                ('other', gen_random_uuid(), now() - interval '29 days'),
                ('other', gen_random_uuid(), now() - interval '31 days')",
        )
        .await?;
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.handled_are(1).await?;
    shop.number_becomes("SELECT count(*) FROM inbox", 2).await
}

/// Waits until the broker has heard of every message.
pub(crate) async fn all_acknowledged(shop: &Shop) -> Result<()> {
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    eventually("all messages are acknowledged", SOON, async || {
        let info = stream.consumer_info("test_order_placed").await.ok()?;
        (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
    })
    .await
}
