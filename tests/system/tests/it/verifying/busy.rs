use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use system_tests::{Book, Customer, Options, Seller, Shop, new_request_id};
use testkit::eventually;
use tokio::sync::Mutex;
use verify::{Patience, Scope};

/// Orders under way at a time; a third each is left, cancelled, and sent and returned.
const AT_ONCE: usize = 6;
/// Orders between two looks.
const MEANWHILE: usize = 30;
/// Long enough that a slow machine is not taken for a broken shop, and short enough for a good part of the orders to be
/// held against all else while others come.
const GRACE: Duration = Duration::from_secs(5);
const LOOKS: usize = 6;
const PATIENCE: Duration = Duration::from_mins(2);

struct Street {
    seller: Seller,
    book: Book,
    customer: Customer,
    card: String,
    placed: Mutex<Vec<String>>,
}

impl Street {
    async fn live(&self, number: usize) -> Result<()> {
        let books = [(&self.book, 1)];
        let request = if number.is_multiple_of(2) {
            self.customer.order_of(&new_request_id(), &books)
        } else {
            self.customer.order_by_card(&self.card, &books)
        };
        let order_id = self.customer.try_place(request).await??.order_id;
        self.placed.lock().await.push(order_id.clone());
        match number % 3 {
            0 => {}
            1 => {
                self.customer.cancel(&order_id).await?;
            }
            _ => {
                self.customer.ended(&order_id).await?;
                self.seller.owner().deliver(&order_id, &self.seller.shop_id).await?;
                let asked = self.customer.try_return(&order_id, &self.book, 1).await??;
                self.seller.owner().resolve(&asked.return_id, true, true).await?;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_busy_shop_raises_no_alarm() -> Result<()> {
    let shop = Shop::start_with(Options::default()).await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(100, 10_000).await?;
    let customer = shop.customer(1_000_000).await?;
    let card = customer.add_card("tok_visa").await?.card_id;
    let street = Street { seller, book, customer, card, placed: Mutex::default() };
    let is_over = AtomicBool::new(false);
    let living = stream::iter(0..)
        .take_while(|_| std::future::ready(!is_over.load(Ordering::Relaxed)))
        .map(|number| street.live(number))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>();
    let looking = async {
        let looked_at = look_again_and_again(&shop, &street).await;
        is_over.store(true, Ordering::Relaxed);
        looked_at
    };

    let (lived, looked_at) = tokio::join!(living, looking);

    let looked_at = looked_at?;
    lived?;
    let placed = street.placed.lock().await.clone();
    shop.check(&placed).await?;
    println!("verify: {LOOKS} looks at {looked_at} facts while {} orders were placed", placed.len());
    Ok(())
}

async fn look_again_and_again(shop: &Shop, street: &Street) -> Result<u64> {
    let open = Scope::open(GRACE, Patience::USUAL);
    let mut looked_at = 0;
    for look in 1..=LOOKS {
        let what = format!("{} orders", look * MEANWHILE);
        eventually(&what, PATIENCE, async || {
            (street.placed.lock().await.len() >= look * MEANWHILE).then_some(())
        })
        .await?;
        let report = shop.look(&open).await?;
        anyhow::ensure!(report.count() == 0, "{:#?}", report.violations());
        looked_at += report.looked_at().values().sum::<u64>();
    }
    Ok(looked_at)
}
