//! What the service answers, one file an RPC.

mod cancel_order;
mod get_order;
mod get_order_history;
mod get_order_status;
mod hands;
mod list_orders;
mod list_returns;
mod list_shipments;
mod place_order;
mod request_return;
mod resolve_return;
mod update_order_status;
mod watch_order;
pub(crate) mod wire;

use batch::Batcher;
use proto::order::v1::{self as pb, order_service_server};
use sea_orm::DatabaseConnection;
use server::caller::customer;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, codegen::BoxStream};

use crate::{
    notifier::Notifier,
    place::Place,
    together::{Recipients, Reservations},
    watchers::Watchers,
};

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct OrderService {
    pub(crate) db: DatabaseConnection,
    pub(crate) recipients: Batcher<Recipients>,
    pub(crate) reservations: Batcher<Reservations>,
    pub(crate) new_orders: Batcher<Place>,
    pub(crate) notifier: Notifier,
    pub(crate) watchers: Watchers,
    /// Cancelled when open streams end.
    pub(crate) streams_end: CancellationToken,
}

#[tonic::async_trait]
impl order_service_server::OrderService for OrderService {
    async fn place_order(&self, call: Request<pb::PlaceOrderRequest>) -> Answer<pb::Order> {
        let caller = customer(&call)?;
        Ok(Response::new(place_order::place_order(self, &caller, call.into_inner()).await?))
    }

    async fn get_order(&self, call: Request<pb::GetOrderRequest>) -> Answer<pb::Order> {
        let caller = customer(&call)?;
        Ok(Response::new(get_order::get_order(self, &caller, call.into_inner()).await?))
    }

    async fn get_order_status(&self, call: Request<pb::GetOrderStatusRequest>) -> Answer<pb::OrderStatus> {
        let caller = customer(&call)?;
        Ok(Response::new(get_order_status::get_order_status(self, &caller, call.into_inner()).await?))
    }

    async fn watch_order(&self, call: Request<pb::WatchOrderRequest>) -> Answer<BoxStream<pb::OrderStatus>> {
        let caller = customer(&call)?;
        Ok(Response::new(watch_order::watch_order(self, &caller, call.into_inner()).await?))
    }

    async fn cancel_order(&self, call: Request<pb::CancelOrderRequest>) -> Answer<pb::Order> {
        let caller = customer(&call)?;
        Ok(Response::new(cancel_order::cancel_order(self, &caller, call.into_inner()).await?))
    }

    async fn update_order_status(&self, call: Request<pb::UpdateOrderStatusRequest>) -> Answer<pb::Shipment> {
        let caller = customer(&call)?;
        Ok(Response::new(update_order_status::update_order_status(self, &caller, call.into_inner()).await?))
    }

    async fn list_shipments(
        &self,
        call: Request<pb::ListShipmentsRequest>,
    ) -> Answer<pb::ListShipmentsResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_shipments::list_shipments(self, &caller, call.into_inner()).await?))
    }

    async fn request_return(&self, call: Request<pb::RequestReturnRequest>) -> Answer<pb::Return> {
        let caller = customer(&call)?;
        Ok(Response::new(request_return::request_return(self, &caller, call.into_inner()).await?))
    }

    async fn resolve_return(&self, call: Request<pb::ResolveReturnRequest>) -> Answer<pb::Return> {
        let caller = customer(&call)?;
        Ok(Response::new(resolve_return::resolve_return(self, &caller, call.into_inner()).await?))
    }

    async fn list_returns(&self, call: Request<pb::ListReturnsRequest>) -> Answer<pb::ListReturnsResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_returns::list_returns(self, &caller, call.into_inner()).await?))
    }

    async fn list_orders(&self, call: Request<pb::ListOrdersRequest>) -> Answer<pb::ListOrdersResponse> {
        Ok(Response::new(list_orders::list_orders(self, call.into_inner()).await?))
    }

    async fn get_order_history(
        &self,
        call: Request<pb::GetOrderHistoryRequest>,
    ) -> Answer<pb::GetOrderHistoryResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(get_order_history::get_order_history(self, &caller, call.into_inner()).await?))
    }
}

type Answer<T> = Result<Response<T>, Status>;
