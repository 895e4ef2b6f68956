//! Order's contract, with handlers that misbehave when asked to, and inventory's, of which it says who called.

use std::{
    convert::Infallible,
    future::ready,
    task::{Context, Poll},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use proto::{
    inventory::v1::{
        ImportCatalogueRequest, ImportCatalogueResponse,
        inventory_service_server::{InventoryService, InventoryServiceServer},
    },
    order::v1::{
        GetOrderRequest, Order, OrderStatus, PlaceOrderRequest, WatchOrderRequest,
        order_service_server::OrderService,
    },
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tonic::{Request, Response, Status, Streaming, body::Body, codegen::BoxStream, server::NamedService};

use crate::shop::Desk;

/// Commits an event of the shop's.
pub(crate) const SELL: &str = "INSERT INTO outbox (event_id, subject, aggregate_id, sequence, payload)
    VALUES (gen_random_uuid(), 'bookstore.shop.v1.sold', 'a book', 1, '')";

const IMPORT: &str = "/bookstore.inventory.v1.InventoryService/ImportCatalogue";

pub(crate) struct Handlers {
    pub(crate) db: DatabaseConnection,
    pub(crate) desk: Desk,
}

#[tonic::async_trait]
impl OrderService for Handlers {
    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        match request.get_ref().order_id.as_str() {
            "panic" => {
                let nothing: Option<()> = None;
                assert!(nothing.is_some(), "as asked");
            }
            "slow" => {
                self.desk.begun.notify_one();
                self.desk.finish.cancelled().await;
            }
            "sell" => {
                self.desk.begun.notify_one();
                self.desk.finish.cancelled().await;
                let sold = self.db.execute_unprepared(SELL).await;
                sold.map_err(|error| server::status::from_db(&error))?;
            }
            "count" => {
                let counted = self.db.execute_unprepared("SELECT count(*) FROM visits").await;
                counted.map_err(|error| server::status::from_db(&error))?;
            }
            "mine" => {
                let order_id = server::caller::customer(&request)?.user_id.to_string();
                return Ok(Response::new(Order { order_id, ..Order::default() }));
            }
            _ => {}
        }
        Ok(Response::new(Order { order_id: request.into_inner().order_id, ..Order::default() }))
    }

    async fn place_order(&self, _: Request<PlaceOrderRequest>) -> Result<Response<Order>, Status> {
        Ok(Response::new(Order::default()))
    }

    async fn watch_order(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<BoxStream<OrderStatus>>, Status> {
        let order_id = request.into_inner().order_id;
        let panics = order_id == "panic";
        let first = stream::iter([Ok(OrderStatus { order_id, ..OrderStatus::default() })]);
        let mut is_sent = false;
        let rest = stream::poll_fn(move |context| {
            // The first status goes out when the stream has to wait.
            assert!(!(panics && is_sent), "as asked");
            is_sent = true;
            if panics {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        });
        Ok(Response::new(first.chain(rest).boxed()))
    }
}

/// Reads catalogues to their end.
pub(crate) struct Imports(pub(crate) Desk);

#[tonic::async_trait]
impl InventoryService for Imports {
    async fn import_catalogue(
        &self,
        request: Request<Streaming<ImportCatalogueRequest>>,
    ) -> Result<Response<ImportCatalogueResponse>, Status> {
        let mut feed = request.into_inner();
        while feed.message().await?.is_some() {
            self.0.begun.notify_one();
        }
        Ok(Response::new(ImportCatalogueResponse::default()))
    }
}

/// Inventory, which takes catalogues and answers every other call with a status whose message says which service called.
#[derive(Clone)]
pub(crate) struct Stock(pub(crate) InventoryServiceServer<Imports>);

impl NamedService for Stock {
    const NAME: &'static str = "bookstore.inventory.v1.InventoryService";
}

impl tower::Service<http::Request<Body>> for Stock {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() == IMPORT {
            return self.0.call(request);
        }
        let caller = request.extensions().get::<auth::Peer>().map(auth::Peer::service);
        ready(Ok(Status::aborted(caller.unwrap_or("nobody")).into_http())).boxed()
    }
}
