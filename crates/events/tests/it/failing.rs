use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use events::{HandleError, Verdict};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use testkit::{eventually, publish, publish_as, publish_bytes};
use values::EventId;

use crate::{
    consuming::all_acknowledged,
    recorder::{Fate, Recorder},
    shop::{SOON, Shop, placed, quick},
};

const DEAD_LETTERS: &str = "SELECT count(*) FROM dead_letters";

fn failed() -> Fate {
    Fate::Break(HandleError::Failed("the shop burns".to_owned()))
}

#[tokio::test]
async fn a_failing_batch_is_retried_by_halves_until_one_message_is_to_blame() -> Result<()> {
    let shop = Shop::open().await?;
    for order in ["a", "b", "c", "bad", "e", "f", "g", "h"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let recorder = Recorder::new(|order| if order == "bad" { Fate::WrongSql } else { Fate::Effect });
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(7).await?;
    let batches = recorder.batches();
    // Those before it may have been a batch of their own.
    let mut failing = batches.iter().skip_while(|batch| !batch.iter().any(|order| order == "bad"));
    let mut batch = failing.next().context("bad was never handled")?;
    assert!(batch.len() > 1, "{batches:?}");
    while batch.len() > 1 && batch.iter().any(|order| order == "bad") {
        let half = failing.next().context("the half is missing")?;
        assert_eq!(half[..], batch[..batch.len() / 2], "{batches:?}");
        batch = half;
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_always_fails_is_a_dead_letter_after_ten_noted_attempts() -> Result<()> {
    let shop = Shop::open().await?;
    let id = publish(&shop.broker, "bad", 1, &placed("bad")).await?;
    let recorder = Recorder::new(|order| if order == "bad" { failed() } else { Fate::Effect });
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.number_becomes(DEAD_LETTERS, 1).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(recorder.batches().len(), 3 + 10);
    assert_eq!(shop.number("SELECT attempts::bigint FROM dead_letters").await?, 10);
    assert_eq!(shop.text("SELECT error FROM dead_letters").await?, "the shop burns");
    assert_eq!(shop.text("SELECT event_id::text FROM dead_letters").await?, id.uuid().to_string());
    assert_eq!(shop.text("SELECT headers->'ce-subject'->>0 FROM dead_letters").await?, "bad");
    assert_eq!(shop.number("SELECT count(*) FROM delivery_attempts").await?, 0);

    // The same event again: the dead letter stands for it.
    publish_as(&shop.broker, id, "bad", 1, &placed("bad")).await?;
    publish(&shop.broker, "good", 1, &placed("good")).await?;
    shop.handled_are(1).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(recorder.batches().len(), 3 + 10 + 1);
    assert_eq!(shop.number(DEAD_LETTERS).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_message_that_kills_the_process_takes_no_neighbour_with_it() -> Result<()> {
    let shop = Shop::open().await?;
    for order in ["a", "b", "deadly", "d", "e"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let recorder = Recorder::new(|order| if order == "deadly" { Fate::Die } else { Fate::Effect });
    let impatient = events::ConsumerConfig { ack_wait: Duration::from_millis(200), ..quick() };
    let starts = async {
        loop {
            // A new process each time.
            let consumer = shop.start_consumer(&recorder, impatient.clone()).await?;
            recorder.died.notified().await;
            consumer.kill();
        }
        #[expect(unreachable_code, reason = "it says what the block's errors are")]
        Ok::<(), anyhow::Error>(())
    };
    tokio::select! {
        failed = starts => failed?,
        buried = shop.number_becomes(DEAD_LETTERS, 1) => buried?,
    }
    let _consumer = shop.start_consumer(&recorder, impatient.clone()).await?;
    shop.handled_are(4).await?;
    assert_eq!(shop.text("SELECT error FROM dead_letters").await?, "no attempt ended");
    let with_others = recorder.batches().iter().filter(|batch| batch.len() > 1).count();
    assert!(with_others <= 3, "{:?}", recorder.batches());
    Ok(())
}

#[tokio::test]
async fn a_handler_that_panics_fails_only_its_own_message() -> Result<()> {
    let shop = Shop::open().await?;
    for order in ["a", "bad", "c"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let recorder = Recorder::new(|order| if order == "bad" { Fate::Panic } else { Fate::Effect });
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(2).await?;
    shop.number_becomes(DEAD_LETTERS, 1).await
}

#[tokio::test]
async fn a_rejected_message_is_a_dead_letter_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    for order in ["a", "bad", "c"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let no = Fate::Verdict(Verdict::Reject("another currency".to_owned()));
    let recorder = Recorder::new(move |order| if order == "bad" { no.clone() } else { Fate::Effect });
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(2).await?;
    shop.number_becomes(DEAD_LETTERS, 1).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.text("SELECT error FROM dead_letters").await?, "another currency");
    assert_eq!(shop.number("SELECT count(*) FROM inbox").await?, 2, "the dead letter takes its place");
    Ok(())
}

#[tokio::test]
async fn what_nobody_can_decode_is_a_dead_letter() -> Result<()> {
    let shop = Shop::open().await?;
    let subject = "bookstore.order.v1.placed";
    publish_bytes(&shop.broker, subject, EventId::new(), "bad", 1, b"\xff\xff\xff".to_vec()).await?;
    // Not even an event.
    shop.jetstream().await?.publish(subject, "hello".into()).await?.await?;
    publish(&shop.broker, "good", 1, &placed("good")).await?;
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.handled_are(1).await?;
    shop.number_becomes(DEAD_LETTERS, 2).await?;
    all_acknowledged(&shop).await?;
    let errors = "SELECT string_agg(error, '; ' ORDER BY id) FROM dead_letters";
    let errors = shop.text(errors).await?;
    assert!(errors.starts_with("the body is no bookstore.order.v1.placed"), "{errors}");
    assert!(errors.ends_with("the header ce-id is missing"), "{errors}");
    Ok(())
}

#[tokio::test]
async fn a_header_that_no_text_of_ours_holds_does_not_hold_up_the_others() -> Result<()> {
    let shop = Shop::open().await?;
    publish(&shop.broker, "good", 1, &placed("good")).await?;
    let mut headers = HeaderMap::new();
    headers.insert("x-note", "a\0b");
    let subject = "bookstore.order.v1.placed";
    shop.jetstream().await?.publish_with_headers(subject, headers, "hello".into()).await?.await?;
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.handled_are(1).await?;
    shop.number_becomes(DEAD_LETTERS, 1).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.text("SELECT headers->'x-note'->>0 FROM dead_letters").await?, "a\u{fffd}b");
    Ok(())
}

#[tokio::test]
async fn what_was_handled_before_is_no_dead_letter() -> Result<()> {
    let shop = Shop::open().await?;
    let id = EventId::new();
    let handled =
        format!("INSERT INTO inbox (consumer, event_id) VALUES ('test_order_placed', '{}')", id.uuid());
    shop.database.execute(&handled).await?;
    // As if another release could read it.
    publish_bytes(&shop.broker, "bookstore.order.v1.placed", id, "a", 1, b"\xff\xff\xff".to_vec()).await?;
    publish(&shop.broker, "b", 1, &placed("b")).await?;
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    shop.handled_are(1).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.number(DEAD_LETTERS).await?, 0);
    assert_eq!(shop.number("SELECT count(*) FROM inbox").await?, 2, "it stays handled");
    Ok(())
}

#[tokio::test]
async fn what_another_replica_is_giving_up_is_not_handled() -> Result<()> {
    let shop = Shop::open().await?;
    let id = publish(&shop.broker, "a", 1, &placed("a")).await?.uuid();
    let other = shop.db.begin().await?;
    for step in [
        format!("INSERT INTO inbox (consumer, event_id) VALUES ('test_order_placed', '{id}')"),
        format!(
            "INSERT INTO dead_letters (consumer, event_id, subject, headers, payload, error, attempts)
             VALUES ('test_order_placed', '{id}', 'bookstore.order.v1.placed', '{{}}', 'x', 'no', 10)"
        ),
        "DELETE FROM inbox".to_owned(),
    ] {
        other.execute_unprepared(&step).await?;
    }
    let _consumer = shop.start_consumer(&Recorder::plain(), quick()).await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    shop.number_becomes(waiting, 1).await?;
    other.commit().await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.number("SELECT count(*) FROM effects").await?, 0);
    assert_eq!(shop.number("SELECT count(*) FROM inbox").await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_came_too_early_comes_again_and_counts_as_no_attempt() -> Result<()> {
    let shop = Shop::open().await?;
    let looks = Arc::new(AtomicU32::new(0));
    let counted = looks.clone();
    let recorder = Recorder::new(move |order| match order {
        "early" if counted.fetch_add(1, Ordering::Relaxed) < 20 => Fate::Verdict(Verdict::TooEarly),
        _ => Fate::Effect,
    });
    for order in ["a", "early", "c"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(3).await?;
    assert_eq!(looks.load(Ordering::Relaxed), 21);
    assert_eq!(shop.number(DEAD_LETTERS).await?, 0);
    assert_eq!(shop.number("SELECT count(*) FROM delivery_attempts").await?, 0);
    all_acknowledged(&shop).await
}

#[tokio::test]
async fn what_is_too_early_for_more_than_an_hour_is_given_up_in_the_end() -> Result<()> {
    let shop = Shop::open().await?;
    let recorder = Recorder::new(|_| Fate::Verdict(Verdict::TooEarly));
    publish(&shop.broker, "early", 1, &placed("early")).await?;
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.number_becomes("SELECT count(*) FROM delivery_attempts", 1).await?;
    shop.database.execute("UPDATE delivery_attempts SET first_at = now() - interval '61 minutes'").await?;
    shop.number_becomes(DEAD_LETTERS, 1).await?;
    assert!(shop.text("SELECT error FROM dead_letters").await?.contains("not become known"));
    Ok(())
}

#[tokio::test]
async fn an_outage_of_the_database_holds_messages_and_counts_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let (gate, through) = testkit::Gate::before(shop.database.url()).await?;
    let mut options = sea_orm::ConnectOptions::new(through);
    let short = Duration::from_millis(300);
    // As services have it: a broken connection is noticed by the statement that fails on it.
    options.acquire_timeout(short).connect_timeout(short).test_before_acquire(false);
    let db = sea_orm::Database::connect(options).await?;
    let recorder = Recorder::plain();
    let short = events::ConsumerConfig { ack_wait: Duration::from_secs(3), ..quick() };
    let _consumer = shop.start_consumer_on(db, &recorder, short).await?;
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    shop.handled_are(1).await?;

    gate.close();
    publish(&shop.broker, "b", 1, &placed("b")).await?;
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    eventually("the message is held", SOON, async || {
        (stream.consumer_info("test_order_placed").await.ok()?.num_ack_pending == 1).then_some(())
    })
    .await?;
    publish(&shop.broker, "c", 1, &placed("c")).await?;
    // Well beyond the time after which a message that nobody keeps is delivered again.
    let since = tokio::time::Instant::now();
    eventually("some time", SOON, async || (since.elapsed() > Duration::from_secs(9)).then_some(())).await?;
    let info = stream.consumer_info("test_order_placed").await?;
    assert_eq!(info.num_redelivered, 0, "held with signs of life");
    assert_eq!(shop.number("SELECT count(*) FROM delivery_attempts").await?, 0);

    gate.open();
    shop.handled_are(3).await?;
    all_acknowledged(&shop).await?;
    assert_eq!(shop.number(DEAD_LETTERS).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_call_without_an_answer_sends_back_only_its_own_message() -> Result<()> {
    let shop = Shop::open().await?;
    let is_down = Arc::new(AtomicBool::new(true));
    let down = is_down.clone();
    let recorder = Recorder::plain().preparing(move |order| match order {
        "b" if down.load(Ordering::Relaxed) => Err(HandleError::Unavailable("no answer".to_owned())),
        _ => Ok(()),
    });
    for order in ["a", "b", "c"] {
        publish(&shop.broker, order, 1, &placed(order)).await?;
    }
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.handled_are(2).await?;
    let stream = shop.jetstream().await?.get_stream("ORDER").await?;
    let mut highest = 0;
    eventually("it comes again and again", SOON, async || {
        let info = stream.consumer_info("test_order_placed").await.ok()?;
        highest = info.delivered.consumer_sequence;
        (highest > 20).then_some(())
    })
    .await?;
    assert_eq!(shop.number(DEAD_LETTERS).await?, 0, "after {highest} deliveries");
    is_down.store(false, Ordering::Relaxed);
    shop.handled_are(3).await
}

#[tokio::test]
async fn a_call_that_leads_nowhere_is_given_up_and_made_anew() -> Result<()> {
    let shop = Shop::open().await?;
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    let _consumer = shop.start_consumer(&Recorder::plain().lost_at_first(), quick()).await?;
    shop.handled_are(1).await
}

#[tokio::test]
async fn a_lost_conflict_is_tried_again_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let recorder = Recorder::new(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Fate::Break(HandleError::Conflict("deadlock detected".to_owned())),
        _ => Fate::Effect,
    });
    publish(&shop.broker, "a", 1, &placed("a")).await?;
    let never = Duration::from_hours(1);
    let patient = events::ConsumerConfig { first_delay: never, ..quick() };
    let _consumer = shop.start_consumer(&recorder, patient).await?;
    shop.handled_are(1).await
}
