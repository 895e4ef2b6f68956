use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use proto::order::v1::{Order, OrderState, PlaceOrderRequest};
use system_tests::{Book, Clients, Customer, Seller, Shop};
use testkit::eventually;
use tokio::time::Duration;
use tonic::{Request, Response, Status};

/// Until something that happened elsewhere has its effect, however often somebody dies on the way.
pub(crate) const SOON: Duration = Duration::from_mins(2);
/// What a book costs.
pub(crate) const PRICE: i64 = 1_000;

/// A shop whose services die, and who is there.
pub(crate) struct Scene<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) clients: Clients,
    pub(crate) admin: Customer,
    pub(crate) seller: Seller,
    /// Of which there are plenty.
    pub(crate) book: Book,
    placed: Mutex<Vec<String>>,
}

impl<'a> Scene<'a> {
    /// To be set while nobody dies.
    pub(crate) async fn set(shop: &'a Shop) -> Result<Self> {
        let (clients, admin, seller) = (shop.clients()?, shop.admin().await?, shop.seller().await?);
        let book = seller.add_book(PRICE, 100_000).await?;
        Ok(Self { shop, clients, admin, seller, book, placed: Mutex::default() })
    }

    /// The orders that were answered with OK.
    pub(crate) fn placed(&self) -> Vec<String> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Places an order: the same request until there is an answer, and then once more.
    pub(crate) async fn place(&self, customer: &Customer, request: PlaceOrderRequest) -> Result<Order> {
        let place = async |request| self.clients.order().place_order(request).await;
        let order = told(customer, request.clone(), place).await?;
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).push(order.order_id.clone());
        let again = told(customer, request, place).await?;
        assert_eq!(again.order_id, order.order_id, "the same request made another order");
        Ok(order)
    }

    /// Places an order of so many copies from the wallet, and waits for its end.
    pub(crate) async fn order(&self, customer: &Customer, copies: i32) -> Result<Order> {
        let request = customer.order_of(&system_tests::new_request_id(), &[(&self.book, copies)]);
        let order = self.place(customer, request).await?;
        ended(customer, &order.order_id).await
    }

    /// Places an order that is paid and has its stock.
    pub(crate) async fn confirmed(&self, customer: &Customer, copies: i32) -> Result<String> {
        let order = self.order(customer, copies).await?;
        assert_eq!(order.state(), OrderState::Confirmed, "{order:?}");
        Ok(order.order_id)
    }
}

/// The order once it is no longer PENDING.
pub(crate) async fn ended(customer: &Customer, order_id: &str) -> Result<Order> {
    becomes(customer, order_id, "ended", |order| order.state() != OrderState::Pending).await
}

/// The order once it is so.
pub(crate) async fn becomes(
    customer: &Customer,
    order_id: &str,
    what: &str,
    is_so: impl Fn(&Order) -> bool,
) -> Result<Order> {
    eventually(&format!("{order_id} is {what}"), SOON, async || {
        customer.order(order_id).await.ok().filter(|order| is_so(order))
    })
    .await
}

/// What the shop says to a user in the end; a refusal is an error.
pub(crate) async fn told<Q: Clone, A>(
    customer: &Customer,
    message: Q,
    call: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
) -> Result<A> {
    customer.ask(message, call).await?.with_context(|| std::any::type_name::<Q>())
}
