use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::TryStreamExt;
use proto::{order::v1::OrderState, payment::v1::PaymentState};
use system_tests::{Book, Customer, Options, Seller, Service, Shop};
use testkit::eventually;

/// Until what is looked for is found, on a busy machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// A shop with a book that everybody can have, and what was answered with OK.
pub(super) struct Ground {
    pub(super) shop: Shop,
    pub(super) seller: Seller,
    pub(super) book: Book,
    buyer: Customer,
    placed: Mutex<Vec<String>>,
}

impl Ground {
    pub(super) async fn open() -> Result<Self> {
        let shop = Shop::start_with(Options::default()).await?;
        let seller = shop.seller().await?;
        let book = seller.add_book(1_000, 10_000).await?;
        let buyer = shop.customer(1_000_000).await?;
        Ok(Self { shop, seller, book, buyer, placed: Mutex::default() })
    }

    fn answered(&self) -> MutexGuard<'_, Vec<String>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An order that the shop has answered with OK.
    pub(super) fn took(&self, order_id: &str) {
        self.answered().push(order_id.to_owned());
    }

    /// Places an order of one book.
    pub(super) async fn placed(&self, customer: &Customer) -> Result<String> {
        let order_id = customer.place(&self.book, 1).await?.order_id;
        self.took(&order_id);
        Ok(order_id)
    }

    /// Places an order of one book that is paid and confirmed.
    pub(super) async fn confirmed(&self, customer: &Customer) -> Result<String> {
        let order_id = self.placed(customer).await?;
        anyhow::ensure!(customer.ended(&order_id).await?.state() == OrderState::Confirmed, "{order_id}");
        Ok(order_id)
    }

    /// Takes an order all the way: placed, paid, confirmed, cancelled, given back. What went before it has been handled
    /// by then, since every event of its kind comes after theirs; what is wrong now stays so.
    pub(super) async fn goes_all_the_way(&self) -> Result<()> {
        let order_id = self.confirmed(&self.buyer).await?;
        self.buyer.cancel(&order_id).await?;
        self.buyer.payment_becomes(&order_id, PaymentState::Refunded).await?;
        self.buyer.refunded_becomes(&order_id, self.book.price).await
    }

    /// All is as it must be.
    pub(super) async fn is_sound(&self) -> Result<()> {
        self.goes_all_the_way().await?;
        let placed = self.answered().clone();
        self.shop.check(&placed).await
    }

    /// The checks find a violation that has all these words in it, and that no time heals.
    pub(super) async fn is_caught(&self, guards: &str, words: &[&str]) -> Result<()> {
        self.goes_all_the_way().await?;
        self.is_found(guards, words).await
    }

    /// As [`Ground::is_caught`], where no order goes all the way any more.
    #[expect(clippy::print_stdout, reason = "which violation it was is for whoever runs it")]
    pub(super) async fn is_found(&self, guards: &str, words: &[&str]) -> Result<()> {
        let placed = self.answered().clone();
        let mut last = Vec::new();
        let what = format!("a violation with {words:?}");
        let caught = eventually(&what, SOON, async || {
            last = self.shop.violations(&placed).await.ok()?;
            last.iter().find(|violation| words.iter().all(|word| violation.contains(word))).cloned()
        });
        let violation = caught.await.with_context(|| format!("only {last:#?}"))?;
        println!("control: without {guards} caught: {violation}");
        Ok(())
    }

    /// Changes the tables of a service behind its back.
    pub(super) async fn alter(&self, service: Service, statements: &str) -> Result<()> {
        self.shop.database(service)?.execute(statements).await
    }

    /// Takes from the broker what it knows of these services as consumers: they begin with the first event again.
    pub(super) async fn forget_consumers(&self, services: impl IntoIterator<Item = &str>) -> Result<()> {
        let services: Vec<&str> = services.into_iter().collect();
        let jetstream = self.shop.broker.jetstream().await?;
        for name in ["IDENTITY", "INVENTORY", "ORDER", "PAYMENT"] {
            let stream = jetstream.get_stream(name).await?;
            let mut names = stream.consumer_names();
            while let Some(consumer) = names.try_next().await? {
                if services.iter().any(|service| consumer.starts_with(&format!("{service}_"))) {
                    stream.delete_consumer(&consumer).await?;
                }
            }
        }
        Ok(())
    }
}
