use std::io::{self, Write};

use anyhow::Result;
use system_tests::Shop;

use super::{digest::Digest, history::History, quiet::STREAMS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_twice_backwards_or_all_over_again_change_nothing() -> Result<()> {
    let mut history = History::begin(Shop::start().await?).await?;
    history.trade(2).await?;
    history.live().await?;
    let History { shop, listeners, placed, .. } = &history;
    listeners.quiet(shop).await?;
    shop.check(placed).await?;
    let (before, letters) = (Digest::of(shop).await?, shop.mailbox.letters().len());

    let mut events = Vec::new();
    for (_, stream) in STREAMS {
        events.extend(shop.broker.stored(stream).await?);
    }
    let mut again: Vec<_> = events.iter().map(testkit::Stored::again).collect();
    shop.broker.put(&again).await?;
    listeners.quiet(shop).await?;
    before.is_still(&Digest::of(shop).await?, "every event once more")?;

    again.reverse();
    shop.broker.put(&again).await?;
    listeners.quiet(shop).await?;
    before.is_still(&Digest::of(shop).await?, "every event backwards")?;

    let mut consumers = 0;
    for (_, stream) in STREAMS {
        consumers += shop.broker.delete_consumers(stream).await?;
    }
    listeners.quiet(shop).await?;
    before.is_still(&Digest::of(shop).await?, "everything from the first event on")?;

    assert_eq!(shop.mailbox.letters().len(), letters, "somebody got a mail twice");
    writeln!(
        io::stderr(),
        "{} events twice, backwards, and thrice over to {consumers} consumers: {} rows unchanged, {letters} mails",
        events.len(),
        before.rows(),
    )?;
    shop.check(placed).await
}
