use std::time::Duration;

use anyhow::Result;
use proto::order::v1::OrderState;
use system_tests::{Book, Customer, Shop};

struct Trade {
    shop: Shop,
    customer: Customer,
    book: Book,
    placed: Vec<String>,
}

impl Trade {
    async fn open() -> Result<Self> {
        let shop = Shop::start().await?;
        let book = shop.seller().await?.add_book(100, 10_000).await?;
        let customer = shop.customer(1_000_000).await?;
        Ok(Self { shop, customer, book, placed: Vec::new() })
    }

    /// Places orders; all are taken.
    async fn place(&mut self, orders: usize) -> Result<()> {
        for _ in 0..orders {
            self.placed.push(self.customer.place(&self.book, 1).await?.order_id);
        }
        Ok(())
    }

    async fn all_confirmed(&self) -> Result<()> {
        for order_id in &self.placed {
            assert_eq!(self.customer.ended(order_id).await?.state(), OrderState::Confirmed, "{order_id}");
        }
        self.shop.check(&self.placed).await
    }
}

#[tokio::test]
async fn orders_are_taken_while_the_broker_is_down_and_end_when_it_is_back() -> Result<()> {
    let mut trade = Trade::open().await?;
    trade.place(10).await?;
    trade.shop.broker.kill().await?;
    trade.place(10).await?;
    // As long as an operator takes; clients and consumers give up on nothing in between.
    tokio::time::sleep(Duration::from_secs(20)).await;
    trade.place(10).await?;
    assert_eq!(trade.customer.order(&trade.placed[29]).await?.state(), OrderState::Pending);

    trade.shop.broker.start_again().await?;

    trade.all_confirmed().await
}
