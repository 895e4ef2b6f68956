use std::io::{self, Write};

use anyhow::{Result, ensure};
use proto::order::v1::OrderState;
use system_tests::{Service, Shop};
use testkit::{Half, Snapshot};

use super::{
    digest::Digest,
    history::History,
    quiet::{STREAMS, all_published},
};

/// How many messages the broker loses at least.
const MESSAGES: u64 = 1_000;
/// So many orders that are confirmed and cancelled bring five messages each.
const ORDERS: usize = 210;

/// A history, and a broker that can be sent back to before most of it.
struct Trial {
    history: History,
    snapshot: Snapshot,
    /// What was survived, and with what figures.
    told: Vec<String>,
}

impl Trial {
    async fn begin() -> Result<Self> {
        let mut history = History::begin(Shop::start().await?).await?;
        history.trade(1).await?;
        history.live().await?;
        history.listeners.quiet(&history.shop).await?;
        let broker = &history.shop.broker;
        broker.stop().await?;
        let snapshot = broker.snapshot().await?;
        broker.start_again().await?;
        history.bulk(ORDERS).await?;
        history.listeners.quiet(&history.shop).await?;
        Ok(Self { history, snapshot, told: Vec::new() })
    }

    /// Does that to a broker that was killed, while the services hang, and starts it again. Afterwards nothing is
    /// otherwise than before, and new orders go their way. Says how many messages were lost.
    async fn survives(
        &mut self,
        what: &str,
        harm: impl AsyncFnOnce(&Shop, &Snapshot) -> Result<()>,
    ) -> Result<u64> {
        let History { shop, listeners, .. } = &self.history;
        let (before, letters) = (Digest::of(shop).await?, shop.mailbox.letters().len());
        let had = messages(shop).await?;
        for service in Service::WITH_DATABASE {
            shop.pause(service).await?;
        }
        shop.broker.kill().await?;
        harm(shop, &self.snapshot).await?;
        let lost = had - messages(shop).await?;
        for service in Service::WITH_DATABASE {
            shop.resume(service).await?;
        }
        listeners.quiet(shop).await?;
        before.is_still(&Digest::of(shop).await?, what)?;
        ensure!(shop.mailbox.letters().len() == letters, "{what}: somebody got a mail twice");
        let now = messages(shop).await?;
        self.told.push(format!("{what}: of {had} messages {lost} lost, then {now}"));
        self.goes_on(5).await?;
        Ok(lost)
    }

    /// What the broker acknowledged, nobody has handled and the broker then lost reaches its end all the same: its word
    /// was all there was.
    async fn unheard_is_not_lost(
        &mut self,
        lose: impl AsyncFnOnce(&Shop, &Snapshot) -> Result<()>,
    ) -> Result<()> {
        let History { shop, listeners, customers, book, placed, .. } = &mut self.history;
        shop.kill(Service::Payment).await?;
        let first = placed.len();
        for customer in customers.iter().cycle().take(20) {
            placed.push(customer.place(book, 1).await?.order_id);
        }
        all_published(shop, Service::Order).await?;
        shop.broker.kill().await?;
        lose(shop, &self.snapshot).await?;
        shop.broker.start_again().await?;
        shop.start_again(Service::Payment).await?;
        for (customer, order_id) in customers.iter().cycle().zip(&placed[first..]) {
            ensure!(customer.ended(order_id).await?.state() == OrderState::Confirmed, "{order_id}");
        }
        listeners.quiet(shop).await
    }

    /// New orders are placed and confirmed.
    async fn goes_on(&mut self, orders: usize) -> Result<()> {
        let History { customers, book, placed, .. } = &mut self.history;
        let first = placed.len();
        for customer in customers.iter().cycle().take(orders) {
            placed.push(customer.place(book, 1).await?.order_id);
        }
        for (customer, order_id) in customers.iter().cycle().zip(&placed[first..]) {
            ensure!(customer.ended(order_id).await?.state() == OrderState::Confirmed, "{order_id}");
        }
        self.history.listeners.quiet(&self.history.shop).await
    }
}

/// How many messages the streams hold.
async fn messages(shop: &Shop) -> Result<u64> {
    let mut sum = 0;
    for (_, stream) in STREAMS {
        sum += shop.broker.last_sequence(stream).await?.unwrap_or_default();
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgets_is_told_again_and_nothing_happens_twice() -> Result<()> {
    let mut trial = Trial::begin().await?;

    let lost = trial
        .survives("the tail is lost, and what was handled of it is forgotten", async |shop, snapshot| {
            shop.broker.restore(snapshot).await?;
            shop.broker.start_again().await
        })
        .await?;
    ensure!(lost >= MESSAGES, "only {lost} messages were lost");

    let lost = trial
        .survives("the tail is lost, and consumers stand beyond the end", async |shop, snapshot| {
            shop.broker.start_again().await?;
            let mut stood = Vec::new();
            for (_, stream) in STREAMS {
                for (consumer, position) in shop.broker.positions(stream).await? {
                    stood.push((stream, consumer, position.delivered));
                }
            }
            shop.broker.kill().await?;
            shop.broker.restore_half(snapshot, Half::Messages).await?;
            shop.broker.start_again().await?;
            for (stream, consumer, delivered) in stood {
                // The server puts right what it finds wrong when it starts; others don't.
                shop.broker.put_at(stream, &consumer, delivered).await?;
            }
            Ok(())
        })
        .await?;
    ensure!(lost >= MESSAGES, "only {lost} messages were lost");

    trial
        .survives("consumers have forgotten what they handled", async |shop, snapshot| {
            shop.broker.restore_half(snapshot, Half::Consumers).await?;
            shop.broker.start_again().await
        })
        .await?;

    trial
        .survives("the store is empty", async |shop, _| {
            shop.broker.wipe().await?;
            shop.broker.start_again().await
        })
        .await?;

    trial.unheard_is_not_lost(async |shop, snapshot| shop.broker.restore(snapshot).await).await?;
    trial.unheard_is_not_lost(async |shop, _| shop.broker.wipe().await).await?;
    writeln!(io::stderr(), "a broker that forgets:\n  {}", trial.told.join("\n  "))?;
    trial.history.shop.check(&trial.history.placed).await
}
