use std::time::{Duration, Instant};

use anyhow::Result;
use events::outbox::{self, Outgoing};
use proto::order::v1::{OrderCancelled, OrderPlaced};
use sea_orm::TransactionTrait as _;
use testkit::eventually;

use crate::shop::{SOON, Shop, pace, placed};

#[tokio::test]
async fn events_are_published_in_their_order_with_all_attributes() -> Result<()> {
    let shop = Shop::open().await?;
    let ids = shop.place(&["a", "b", "c"]).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["a", "b", "c"]).await?;

    let first = &shop.stream().await?[0];
    assert_eq!(first.event, placed("a"));
    assert_eq!(first.sequence, 1);
    let header = |name: &str| first.headers.get(name).map(|value| value.as_str().to_owned());
    let id = Some(ids[0].to_string());
    assert_eq!(header("ce-id"), id);
    assert_eq!(header("Nats-Msg-Id"), id);
    assert_eq!(header("ce-specversion").as_deref(), Some("1.0"));
    assert_eq!(header("ce-source").as_deref(), Some("/bookstore/order"));
    assert_eq!(header("ce-type").as_deref(), Some("bookstore.order.v1.placed"));
    assert_eq!(header("ce-subject").as_deref(), Some("a"));
    assert_eq!(header("ce-datacontenttype").as_deref(), Some("application/protobuf"));
    assert!(header("ce-time").is_some_and(|time| time.ends_with('Z')));
    assert!(shop.notes_are_right().await?);
    Ok(())
}

#[tokio::test]
async fn a_row_that_commits_late_is_not_overlooked() -> Result<()> {
    let shop = Shop::open().await?;
    let late = shop.db.begin().await?;
    outbox::append(&late, &[Outgoing::new("late", 1, &placed("late"))?]).await?;
    shop.place(&["early"]).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["early"]).await?;
    late.commit().await?;
    shop.stream_is(&["early", "late"]).await
}

#[tokio::test]
async fn nor_is_one_that_commits_when_the_relay_no_longer_looks_so_far_back() -> Result<()> {
    let shop = Shop::open().await?;
    let late = shop.db.begin().await?;
    outbox::append(&late, &[Outgoing::new("late", 1, &placed("late"))?]).await?;
    let whole = Duration::from_millis(100);
    let _relay = shop.start_relay(events::Pace { whole, ..pace() }).await?;
    let mut told = Vec::new();
    let began = Instant::now();
    while began.elapsed() < 5 * whole {
        told.push(format!("{:04}", told.len()));
        shop.place(&[told.last().unwrap()]).await?;
        shop.stream_is(&told.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    late.commit().await?;
    told.push("late".to_owned());
    shop.stream_is(&told.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn more_events_than_are_in_flight_at_once_all_arrive_in_order() -> Result<()> {
    let shop = Shop::open().await?;
    let orders: Vec<String> = (0..1200).map(|number| format!("{number:04}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    shop.place(&orders).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&orders).await
}

#[tokio::test]
async fn a_wake_up_is_faster_than_the_poll() -> Result<()> {
    let shop = Shop::open().await?;
    let never = events::Pace { poll: Duration::from_hours(1), ..pace() };
    let relay = shop.start_relay(never).await?;
    shop.place(&["a"]).await?;
    // The relay may look before it sleeps; what is written later is found by the call only.
    relay.wake.wake();
    shop.stream_is(&["a"]).await?;
    shop.place(&["b"]).await?;
    relay.wake.wake();
    shop.stream_is(&["a", "b"]).await
}

#[tokio::test]
async fn what_was_published_but_not_noted_before_a_crash_is_not_there_twice() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a", "b", "c"]).await?;
    shop.stream_is(&["a", "b", "c"]).await?;
    relay.kill();
    shop.database
        .execute("UPDATE outbox SET stream_sequence = NULL, first_published_at = NULL WHERE id > 1")
        .await?;
    shop.place(&["d"]).await?;

    let _relay = shop.start_relay(pace()).await?;
    shop.stream_is(&["a", "b", "c", "d"]).await?;
    assert!(shop.notes_are_right().await?, "an answer 'duplicate' names the place of the first");
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_before_it_is_written() -> Result<()> {
    let shop = Shop::open().await?;
    let large = "x".repeat(300 * 1024);
    assert!(Outgoing::new("a", 1, &placed(&large)).is_err());
    let past_the_code = format!(
        "INSERT INTO outbox (event_id, subject, aggregate_id, sequence, payload)
         VALUES (gen_random_uuid(), 'bookstore.order.v1.placed', 'a', 1, '{large}')"
    );
    let refused = shop.database.execute(&past_the_code).await;
    assert!(refused.is_err_and(|error| format!("{error:#}").contains("outbox_payload_fits")));
    Ok(())
}

#[tokio::test]
async fn a_row_that_the_broker_refuses_for_good_holds_nobody_up() -> Result<()> {
    let shop = Shop::open().await?;
    let relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    relay.stop().await?;

    let jetstream = shop.jetstream().await?;
    let mut config = jetstream.get_stream("ORDER").await?.cached_info().config.clone();
    config.max_message_size = 2048;
    jetstream.update_stream(config).await?;
    shop.place(&["b", &"x".repeat(4096), "c"]).await?;
    let _relay = shop.start_relay(pace()).await?;

    eventually("the neighbours are published", SOON, async || {
        (crate::shop::names(&shop.stream().await.ok()?) == ["a", "b", "c"]).then_some(())
    })
    .await?;
    shop.number_becomes("SELECT count(*) FROM outbox WHERE refused IS NOT NULL", 1).await?;
    assert!(shop.text("SELECT refused FROM outbox WHERE refused IS NOT NULL").await?.contains("maximum"));
    Ok(())
}

#[tokio::test]
async fn an_event_of_another_service_is_set_aside() -> Result<()> {
    let shop = Shop::open().await?;
    let foreign = Outgoing::new("pay", 1, &proto::payment::v1::PaymentFailed::default())?;
    outbox::append(&shop.db, &[foreign]).await?;
    shop.place(&["a"]).await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.number_becomes("SELECT count(*) FROM outbox WHERE refused IS NOT NULL", 1).await?;
    shop.number_becomes("SELECT count(*) FROM outbox WHERE stream_sequence = 1", 1).await
}

#[tokio::test]
async fn events_wait_in_the_outbox_while_the_broker_is_down() -> Result<()> {
    let shop = Shop::open().await?;
    let _relay = shop.start_relay(pace()).await?;
    shop.place(&["a"]).await?;
    shop.stream_is(&["a"]).await?;
    shop.broker.kill().await?;
    shop.place(&["b"]).await?;
    assert_eq!(shop.number("SELECT count(*) FROM outbox WHERE first_published_at IS NULL").await?, 1);
    shop.broker.start_again().await?;
    shop.stream_is(&["a", "b"]).await
}

#[tokio::test]
async fn old_rows_are_deleted_once_the_stream_was_found_whole() -> Result<()> {
    let shop = Shop::open().await?;
    let every = std::time::Duration::from_millis(20);
    let _relay = shop.start_relay(events::Pace { compare: every, delete: every, ..pace() }).await?;
    shop.place(&["a", "b", "c"]).await?;
    shop.stream_is(&["a", "b", "c"]).await?;
    shop.database
        .execute("UPDATE outbox SET first_published_at = now() - interval '8 days' WHERE aggregate_id <> 'b'")
        .await?;
    shop.number_becomes("SELECT count(*) FROM outbox", 1).await?;
    assert_eq!(shop.text("SELECT aggregate_id FROM outbox").await?, "b");
    Ok(())
}

#[tokio::test]
async fn the_id_of_an_event_is_known_before_it_is_written() -> Result<()> {
    let shop = Shop::open().await?;
    let outgoing = Outgoing::new("a", 2, &OrderCancelled::default())?;
    outbox::append(&shop.db, &[]).await?;
    outbox::append(&shop.db, std::slice::from_ref(&outgoing)).await?;
    let stored = shop.text("SELECT event_id::text FROM outbox").await?;
    assert_eq!(stored, outgoing.id().uuid().to_string());
    assert_eq!(shop.text("SELECT subject FROM outbox").await?, "bookstore.order.v1.cancelled");
    assert_eq!(<OrderPlaced as events::Event>::SUBJECT, "bookstore.order.v1.placed");
    Ok(())
}
