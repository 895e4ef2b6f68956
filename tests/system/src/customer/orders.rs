use anyhow::{Context, Result};
use proto::order::v1::{
    CancelOrderRequest, GetOrderRequest, Order, OrderItem, OrderState, OrderStatus, PaymentMethod,
    PlaceOrderRequest, WatchOrderRequest,
};
use testkit::eventually;
use tonic::{Code, Status};

use super::{Customer, END, new_request_id};
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
        self.ask(request, async |request| self.clients.order().place_order(request).await).await
    }

    /// As [`Customer::try_place`], once, whatever comes of it.
    pub async fn try_place_once(&self, request: PlaceOrderRequest) -> Result<Result<Order, Status>> {
        let answer = self.clients.order().place_order(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Places an order of some copies of a book.
    pub async fn place(&self, book: &Book, quantity: i32) -> Result<Order> {
        self.try_place(self.order_of(&new_request_id(), &[(book, quantity)])).await?.context("PlaceOrder")
    }

    /// Cancels an order.
    pub async fn cancel(&self, order_id: &str) -> Result<Order> {
        let request = CancelOrderRequest {
            request_id: new_request_id(),
            order_id: order_id.to_owned(),
            note: "changed my mind".to_owned(),
        };
        let call = async |request| self.clients.order().cancel_order(request).await;
        self.ask(request, call).await?.context("CancelOrder")
    }

    /// The order as it is now.
    pub async fn order(&self, order_id: &str) -> Result<Order> {
        let request = GetOrderRequest { order_id: order_id.to_owned() };
        self.ask(request, async |request| self.clients.order().get_order(request).await)
            .await?
            .context("GetOrder")
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
