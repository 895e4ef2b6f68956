use anyhow::{Context, Result};
use proto::order::v1::{
    CancelOrderRequest, GetOrderRequest, Order, OrderItem, OrderState, OrderStatus, PaymentMethod,
    PlaceOrderRequest, WatchOrderRequest,
};
use testkit::eventually;
use tonic::{Code, Status};

use super::{Customer, END, answered, new_request_id};
use crate::Book;

impl Customer {
    /// An order of so many copies of each book.
    #[must_use]
    pub fn order_of(&self, request_id: &str, books: &[(&Book, i32)]) -> PlaceOrderRequest {
        let item = |(book, quantity): &(&Book, i32)| OrderItem {
            offer_id: book.offer_id.clone(),
            quantity: *quantity,
        };
        PlaceOrderRequest {
            request_id: request_id.to_owned(),
            items: books.iter().map(item).collect(),
            address_id: self.address_id.clone(),
            payment_method: PaymentMethod::Wallet.into(),
            card_id: String::new(),
        }
    }

    /// Places an order; says what the shop said.
    pub async fn try_place(&self, request: PlaceOrderRequest) -> Result<Result<Order, Status>> {
        let answer = self.clients.order().place_order(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Places an order of some copies of a book.
    pub async fn place(&self, book: &Book, quantity: i32) -> Result<Order> {
        self.try_place(self.order_of(&new_request_id(), &[(book, quantity)])).await?.context("PlaceOrder")
    }

    /// As [`Customer::place`], trying again while the shop is broken: the same request each time.
    pub async fn place_in_the_end(&self, book: &Book, quantity: i32) -> Result<Order> {
        let request = self.order_of(&new_request_id(), &[(book, quantity)]);
        answered("PlaceOrder", async || self.try_place(request.clone()).await).await
    }

    /// Cancels an order.
    pub async fn cancel(&self, order_id: &str) -> Result<Order> {
        self.try_cancel(&new_request_id(), order_id).await?.context("CancelOrder")
    }

    /// As [`Customer::cancel`], trying again while the shop is broken: the same request each time.
    pub async fn cancel_in_the_end(&self, order_id: &str) -> Result<Order> {
        let request_id = new_request_id();
        answered("CancelOrder", async || self.try_cancel(&request_id, order_id).await).await
    }

    async fn try_cancel(&self, request_id: &str, order_id: &str) -> Result<Result<Order, Status>> {
        let request = CancelOrderRequest {
            request_id: request_id.to_owned(),
            order_id: order_id.to_owned(),
            note: "changed my mind".to_owned(),
        };
        let answer = self.clients.order().cancel_order(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// The order as it is now.
    pub async fn order(&self, order_id: &str) -> Result<Order> {
        let request = self.request(GetOrderRequest { order_id: order_id.to_owned() })?;
        Ok(self.clients.order().get_order(request).await.context("GetOrder")?.into_inner())
    }

    /// The order once it is no longer PENDING.
    pub async fn ended(&self, order_id: &str) -> Result<Order> {
        let mut last = None;
        let what = format!("{order_id} has ended");
        let ended = eventually(&what, END, async || {
            let seen = self.order(order_id).await;
            let ended = seen.as_ref().ok().filter(|order| order.state() != OrderState::Pending).cloned();
            last = Some(seen);
            ended
        });
        let ended = ended.await;
        ended.with_context(|| format!("last seen: {last:?}"))
    }

    /// The last state of an order, as it is watched. Who hears UNAVAILABLE in the middle begins again.
    pub async fn watched_to_its_end(&self, order_id: &str) -> Result<OrderStatus> {
        loop {
            let request = self.request(WatchOrderRequest { order_id: order_id.to_owned() })?;
            let changes = self.clients.order().watch_order(request).await;
            let mut changes = changes.context("WatchOrder")?.into_inner();
            let mut last = None;
            let ended = loop {
                match changes.message().await {
                    Ok(Some(change)) => last = Some(change),
                    Ok(None) => break Ok(()),
                    Err(status) if status.code() == Code::Unavailable => break Err(()),
                    Err(status) => return Err(status).context("WatchOrder, under way"),
                }
            };
            if ended.is_ok() {
                return last.context("nothing was seen");
            }
        }
    }

    /// As [`Customer::order_of`], paid by a card.
    #[must_use]
    pub fn order_by_card(&self, card_id: &str, books: &[(&Book, i32)]) -> PlaceOrderRequest {
        PlaceOrderRequest {
            payment_method: PaymentMethod::Card.into(),
            card_id: card_id.to_owned(),
            ..self.order_of(&new_request_id(), books)
        }
    }
}
