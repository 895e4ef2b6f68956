use std::{sync::Arc, time::Duration};

use anyhow::Result;
use system_tests::{Book, Customer, Load, Options, Seller, Shop, new_request_id};
use tokio::sync::Mutex;
use verify::{Patience, Scope};

/// Orders a second; a third each is left, cancelled, and sent and returned.
const RATE: u32 = 12;
/// Long enough for a good part of the orders to be calm, and to be held against all else, while others come.
const GRACE: Duration = Duration::from_secs(5);
const LOOKS: usize = 6;

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
    let street = Arc::new(Street { seller, book, customer, card, placed: Mutex::default() });
    let living = street.clone();
    let load = Load::start(RATE, move |number| {
        let street = living.clone();
        async move { street.live(number).await }
    });

    let open = Scope::open(GRACE, Patience::USUAL);
    let mut looked_at = 0;
    for _ in 0..LOOKS {
        load.goes_on(RATE as usize).await?;
        let report = shop.look(&open).await?;
        assert_eq!(report.count(), 0, "{:#?}", report.violations());
        looked_at += report.looked_at().values().sum::<u64>();
    }

    let failures = load.end().await?;
    assert!(failures.is_empty(), "{failures:#?}");
    let placed = street.placed.lock().await.clone();
    shop.check(&placed).await?;
    println!("verify: {LOOKS} looks at {looked_at} facts while {} orders were placed", placed.len());
    Ok(())
}
